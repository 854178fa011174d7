"""`python -m engine.housekeeping`, as an operator or cron calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.store.local import LocalStore
from engine.store.s3 import S3Store
from tests.housekeeping.house import DAY, House
from tests.servers.endpoint import SECRET_ACCESS_KEY, S3Endpoint


def call(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BUCKET_")}
    own = {
        "RENDERER": "preview",
        "STORE_DIR": str(folder / "store"),
        "CACHE_DIR": str(folder / "cache"),
        "SCRATCH_DIR": str(folder),
    }
    return subprocess.run(
        [sys.executable, "-m", "engine.housekeeping", *command.split()],
        env={**inherited, **own, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def bucket_variables(moto: S3Endpoint, prefix: str) -> dict[str, str]:
    settings = moto.settings(prefix=prefix)
    return {
        "BUCKET_ENDPOINT_URL": settings.endpoint_url,
        "BUCKET_ACCESS_KEY_ID": settings.access_key_id,
        "BUCKET_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "BUCKET_NAME": settings.name,
        "BUCKET_PREFIX": prefix,
    }


def test_a_sweep_of_the_local_store_says_what_went(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    house = House(tmp_path, store, now=datetime.now(UTC) - 2 * DAY)
    house.session("old")
    new = house.session("new", expires_at=datetime.now(UTC) + timedelta(hours=1))
    house.put("uploads/new", "uploads/old")
    os.utime(store.url("uploads/old"), (0, 0))
    done = call("sweep", tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {kind: count for kind, count in told.items() if count} == {"sessions": 1, "uploads": 1}
    assert house.stored() == [house.records.sessions.entry(new).key, "sessions/new.json", "uploads/new"]


def test_a_sweep_of_a_bucket(tmp_path: Path, moto: S3Endpoint) -> None:
    house = House(tmp_path, S3Store(moto.settings(prefix="swept")), now=datetime.now(UTC) - 2 * DAY)
    house.session("old")
    house.put("outputs/old/job-12345678/video.mp4")
    done = call("sweep", tmp_path, **bucket_variables(moto, "swept"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sessions"] == 1
    assert house.stored() == []
    assert not (tmp_path / "store").exists()


def test_the_rules_of_a_bucket_are_printed_for_it(tmp_path: Path, moto: S3Endpoint) -> None:
    variables = bucket_variables(moto, "faces")
    done = call("lifecycle", tmp_path, OUTPUT_TTL="172801", UPLOAD_TTL="0", **variables)
    assert done.returncode == 0, done.stderr
    rules = {rule["Filter"]["Prefix"]: rule.get("Expiration") for rule in json.loads(done.stdout)["Rules"]}
    assert rules["faces/outputs/"] == {"Days": 3}
    assert "faces/uploads/" not in rules
    assert SECRET_ACCESS_KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "variables", "told"),
    [
        ("lifecycle", {}, "No bucket is configured"),
        ("lifecycle", {"BUCKET_NAME": "only"}, "BUCKET_ENDPOINT_URL"),
        ("sweep", {"SESSION_TTL": "soon"}, "SESSION_TTL"),
        ("sweep", {"BUCKET_NAME": "only"}, "BUCKET_ENDPOINT_URL"),
        ("scrub", {}, "scrub"),
    ],
)
def test_what_is_configured_wrongly_is_said_in_a_line(
    command: str, variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    done = call(command, tmp_path, **variables)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
