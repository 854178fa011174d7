from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from engine.housekeeping.lifecycle import lifecycle, whole_days
from engine.lifetimes import Lifetimes
from tests.servers.endpoint import S3Endpoint

HOUR = timedelta(hours=1)
LIFETIMES = Lifetimes(session=HOUR, output=36 * HOUR, upload=HOUR)


def days(configuration: dict[str, Any]) -> dict[str, int]:
    return {
        rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in configuration["Rules"] if "Expiration" in rule
    }


def test_every_kind_has_its_own_whole_days_under_the_prefix() -> None:
    assert days(lifecycle(LIFETIMES, "faces/prod/")) == {
        "faces/prod/outputs/": 2,
        "faces/prod/uploads/": 1,
        "faces/prod/jobs/": 2,
        "faces/prod/streams/": 1,
        "faces/prod/workers/": 7,
        "faces/prod/proofs/": 1,
        "faces/prod/requests/": 1,
        "faces/prod/tokens/": 1,
        "faces/prod/leases/": 1,
        "faces/prod/accepted/": 2,
        "faces/prod/pending/": 2,
        "faces/prod/replicas/": 1,
        "faces/prod/incoming/": 1,
    }


def test_sessions_and_avatars_never_expire_by_rule() -> None:
    prefixes = days(lifecycle(LIFETIMES, ""))
    assert not [prefix for prefix in prefixes if "sessions/x.json".startswith(prefix) or "avatars/x".startswith(prefix)]


def test_what_is_kept_for_ever_has_no_rule() -> None:
    folders = {"streams/", "workers/", "proofs/", "requests/", "leases/", "accepted/", "pending/", "replicas/"}
    folders |= {"incoming/", "tokens/"}
    assert set(days(lifecycle(Lifetimes(None, None, None), ""))) == folders


def test_uploads_in_parts_that_nobody_finishes_go_after_a_day() -> None:
    unfinished = [rule for rule in lifecycle(LIFETIMES, "p/")["Rules"] if "AbortIncompleteMultipartUpload" in rule]
    assert [(rule["Filter"], rule["AbortIncompleteMultipartUpload"]) for rule in unfinished] == [
        ({"Prefix": "p/"}, {"DaysAfterInitiation": 1})
    ]


@pytest.mark.parametrize(("hours", "expected"), [(0.01, 1), (24, 1), (24.01, 2), (240, 10)])
def test_days_are_rounded_up(hours: float, expected: int) -> None:
    assert whole_days(hours * HOUR) == expected


@pytest.mark.parametrize("prefix", ["", "faces/prod/"])
def test_a_bucket_accepts_and_keeps_the_rules(moto: S3Endpoint, prefix: str) -> None:
    client = moto.client()
    client.create_bucket(Bucket="lifecycle")
    configuration = json.loads(json.dumps(lifecycle(LIFETIMES, prefix)))
    client.put_bucket_lifecycle_configuration(Bucket="lifecycle", LifecycleConfiguration=configuration)
    kept = client.get_bucket_lifecycle_configuration(Bucket="lifecycle")["Rules"]
    assert len({rule["ID"] for rule in kept}) == len(configuration["Rules"])
    assert days({"Rules": kept}) == days(configuration)
    assert [rule["Filter"]["Prefix"] for rule in kept if "AbortIncompleteMultipartUpload" in rule] == [prefix]
