"""docs/deploy.md: its commands run, in their order, against local servers; its settings are those that exist."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import httpx
import pytest

from builder.deployment import POOLS, TORCH_CUDA, Deployment
from builder.environment_file import KNOWN, read_environment
from engine.errors import ConfigurationError
from engine.store.s3 import S3Store
from engine.store.s3_parts import PART_BYTES
from tests.builder.dockerfile import ROOT
from tests.builder.documented import Block, Shell, blocks_of
from tests.servers.endpoint import S3Endpoint, make_bucket
from tests.servers.radosgw import GUEST_ID, GUEST_SECRET
from tests.servers.runpod_api import KEY, RunPodRest
from tests.shim.backends import LIMITS, patient_worker
from tests.shim.server_process import Server
from tests.shim.server_store import ServerStore
from tests.worker.clips import talking_head
from tests.worker.queue_standin import QueueStandIn
from tests.worker.worker_process import Ground
from tests.worker.workers_bucket import WorkersBucket

PAGE = ROOT / "docs" / "deploy.md"
BLOCKS = blocks_of(PAGE)
NOT_RUN = {"yours", "setup", "docker"}
IMAGE = "ghcr.io/me/talking-avatar:1.0.0"
THEIR_OWN = {"RUNPOD_ENDPOINT_ID", "RUNPOD_API_KEY"}


def configuration(name: str) -> dict[str, object]:
    """The page's JSON that has this at its top."""
    (found,) = [block for block in BLOCKS if block.language == "json" and f'"{name}"' in block.text]
    configured: dict[str, object] = json.loads(found.text)
    return configured


@dataclass(frozen=True)
class Site:
    """What the page's reader has, on this machine."""

    rest: RunPodRest
    s3: S3Endpoint
    shell: Shell
    ground: Ground

    @property
    def bucket(self) -> WorkersBucket:
        return WorkersBucket(self.s3, self.s3.settings(prefix=""))


@pytest.fixture
def site(moto: S3Endpoint, tmp_path: Path) -> Iterator[Site]:
    programs = tmp_path / "bin"
    programs.mkdir()
    aws = programs / "aws"
    aws.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/builder/aws_standin.py "$@"\n')
    aws.chmod(0o755)
    s3 = make_bucket(moto.url, f"page-{uuid.uuid4().hex[:8]}")
    (tmp_path / "cors.json").write_text(json.dumps(configuration("CORSRules")))
    with RunPodRest() as rest:
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "BUCKET_ENDPOINT_URL": s3.url,
            "BUCKET_NAME": s3.bucket,
            "BUCKET_ACCESS_KEY_ID": s3.settings().access_key_id,
            "BUCKET_SECRET_ACCESS_KEY": s3.settings().secret_access_key.get_secret_value(),
            "RUNPOD_API_KEY": KEY,
            "IMAGE": IMAGE,
            "DOMAIN": "avatar.example.com",
        }
        replaced = {".venv/bin/python": sys.executable, "-m builder.deploy": f"-m builder.deploy --api {rest.url}"}
        ground = Ground(tmp_path / "ground", talking_head(tmp_path / "tiny.mp4")).make()
        yield Site(rest, s3, Shell(tmp_path, environment, replaced), ground)


@pytest.mark.timeout(240)
def test_its_commands_lead_to_a_video(site: Site) -> None:
    before, served, after = parted([block for block in BLOCKS if block.language == "sh" and block.kind not in NOT_RUN])
    for block in before:
        site.shell.run(block)
    assert (site.shell.folder / "endpoint.env").read_text() == "RUNPOD_ENDPOINT_ID=se1\n"
    settings = read_environment(site.shell.folder / "shim.env")
    assert settings["RUNPOD_ENDPOINT_ID"] == "se1"
    assert settings.keys() >= {"API_KEYS", "SIGNING_SECRET", "RUNPOD_API_KEY", "BUCKET_NAME"}
    own = {name: value for name, value in settings.items() if name not in THEIR_OWN}
    with (
        QueueStandIn() as queue,
        patient_worker(queue, site.ground, "pod1", site.bucket, LIMITS),
        Server(site.ground, own, ServerStore.bucket(site.bucket), queue) as server,
    ):
        shell = Shell(site.shell.folder, site.shell.environment, {"https://$DOMAIN": server.url})
        for block in served:
            shell.run(block)
    assert b"ftyp" in (site.shell.folder / "video.mp4").read_bytes()[:16]
    for block in after:
        site.shell.run(block)
    assert_deployed(site)


def parted(blocks: list[Block]) -> tuple[list[Block], list[Block], list[Block]]:
    """What comes before the server runs, while it does, and after."""
    indices = [index for index, block in enumerate(blocks) if block.kind == "served"]
    assert indices
    return blocks[: indices[0]], blocks[indices[0] : indices[-1] + 1], blocks[indices[-1] + 1 :]


def assert_deployed(site: Site) -> None:
    """What the last commands left: the image of now, both kinds of endpoint, the bucket's rules."""
    endpoints = {endpoint["name"]: endpoint["type"] for endpoint in site.rest.kept["serverless"].values()}
    assert endpoints == {"talking-avatar": "QUEUE", "talking-avatar-lb": "LOAD_BALANCER"}
    images = {template["name"]: template["image"] for template in site.rest.kept["templates"].values()}
    assert images == {"talking-avatar": IMAGE, "talking-avatar-lb": "ghcr.io/me/talking-avatar-lb:1.0.0"}
    client = site.s3.client()
    assert client.get_bucket_lifecycle_configuration(Bucket=site.s3.bucket)["Rules"]
    assert client.get_bucket_cors(Bucket=site.s3.bucket)["CORSRules"][0]["AllowedMethods"] == ["GET", "HEAD", "PUT"]


def test_what_is_not_run_is_sound() -> None:
    kept = [block for block in BLOCKS if block.kind in NOT_RUN]
    assert {block.kind for block in kept} == NOT_RUN
    for block in kept:
        assert subprocess.run(["bash", "-n", "-c", block.text], check=False).returncode == 0, block.text


def test_its_options_and_defaults_are_the_commands() -> None:
    text = PAGE.read_text()
    default = Deployment("", "", {})
    assert f"`--pools {','.join(POOLS)}`" in text
    assert f"torch {TORCH_CUDA[0]} brings CUDA {TORCH_CUDA[1]}" in text
    assert f"`--timeout-seconds {default.timeout_seconds}`" in text
    assert f"`--idle-seconds {default.idle_seconds}`" in text
    assert f"`--workers-max {default.workers_max}`" in text
    for option in set(re.findall(r"`(--[a-z-]+)(?: |`)", text)) - {"--target", "--build-arg"}:
        assert option in _help(), option


def _help() -> str:
    command = [sys.executable, "-m", "builder.deploy", "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_variables_it_names_are_settings() -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9]+_[A-Z0-9_]+)(?:=[^`]*)?`", PAGE.read_text()))
    others = {"AMPERE_24", "PYTHON_IMAGE"}
    assert {"MAX_CONCURRENCY", "BUCKET_PREFIX", "RUNPOD_INIT_TIMEOUT"} <= named
    assert named - others <= KNOWN


def test_the_policy_allows_objects_of_one_bucket_and_nothing_else() -> None:
    statements = configuration("Statement")["Statement"]
    assert isinstance(statements, list)
    actions = {action for statement in statements for action in statement["Action"]}
    assert actions == {
        "s3:ListBucket",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
    }
    assert all(statement["Resource"].startswith("arn:aws:s3:::my-avatars") for statement in statements)


def test_a_key_with_that_policy_is_enough(radosgw: S3Endpoint, tmp_path: Path) -> None:
    own = make_bucket(radosgw.url, f"policy-{uuid.uuid4().hex[:8]}")
    guest = {"access_key_id": GUEST_ID, "secret_access_key": GUEST_SECRET}
    store, other = S3Store(own.settings(prefix="", **guest)), S3Store(own.settings(prefix=""))
    with pytest.raises(ConfigurationError):
        store.put("a", b"1")
    own.client().put_bucket_policy(Bucket=own.bucket, Policy=json.dumps(granted(own.bucket)))
    # Not only what it has written itself, which is its own.
    other.put("other", b"0")
    assert store.get("other") is not None
    written = store.put_if_absent("a", b"1")
    assert written is not None
    assert store.put_if_match("a", b"2", written.etag) is not None
    assert store.upload("b", io.BytesIO(bytes(PART_BYTES + 1))).size == PART_BYTES + 1
    with pytest.raises(OSError, match="no more"):
        store.upload("c", cast(BinaryIO, BreaksOff()))
    assert store.download("b", tmp_path / "b") is not None
    assert store.copy("b", "d") is not None
    assert httpx.get(store.url("a")).content == b"2"
    assert httpx.put(store.presign_put("e", "text/plain", 1, 60), content=b"5", headers=PLAIN).status_code == 200
    assert [info.key for info in store.list("")] == ["a", "b", "d", "e", "other"]
    for key in ("a", "b", "d", "e", "other"):
        store.delete(key)
    assert list(store.list("")) == []


PLAIN = {"content-type": "text/plain"}


class BreaksOff:
    """A large file whose disk fails behind its first part."""

    _parts = iter([bytes(PART_BYTES)])

    def read(self, size: int) -> bytes:
        for part in self._parts:
            return part
        raise OSError("no more")


def granted(bucket: str) -> dict[str, object]:
    """The page's policy as one of the bucket's, for the guest."""
    policy = json.loads(json.dumps(configuration("Statement")).replace("my-avatars", bucket))
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": ["arn:aws:iam:::user/guest"]}
    return dict(policy)


def test_it_holds_no_estimate_in_its_costs() -> None:
    text = PAGE.read_text()
    costs = text[text.index("## What it costs") : text.index("## RunPod's webhook")]
    assert "$" not in costs
    assert not re.search(r"about|roughly|estimat", costs)
