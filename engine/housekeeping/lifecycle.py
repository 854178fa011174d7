"""The rules by which a bucket removes by itself what has grown old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.housekeeping.rules import Rule, rules
from engine.lifetimes import Lifetimes

DAY = timedelta(days=1)


def lifecycle(lifetimes: Lifetimes, prefix: str) -> dict[str, Any]:
    """A LifecycleConfiguration as S3's PutBucketLifecycleConfiguration takes it, ready for JSON.

    prefix: what every key in the bucket begins with; empty, or with a slash at its end. Buckets count in whole days,
    so nothing goes before its time. Sessions and avatars have no rule (engine.housekeeping.rules says why): the
    sweeper removes them.
    """
    expirations = [_expiration(rule, prefix) for rule in rules(lifetimes)]
    return {"Rules": [*expirations, _unfinished(prefix)]}


def _expiration(rule: Rule, prefix: str) -> dict[str, Any]:
    return _rule(rule.folder, prefix + rule.prefix) | {"Expiration": {"Days": whole_days(rule.after)}}


def _unfinished(prefix: str) -> dict[str, Any]:
    """Parts of a large upload whose writer died are in no listing, and cost room for ever."""
    return _rule("unfinished", prefix) | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}


def _rule(name: str, prefix: str) -> dict[str, Any]:
    return {"ID": f"talking-avatar-{name}", "Status": "Enabled", "Filter": {"Prefix": prefix}}


def whole_days(time: timedelta) -> int:
    """``time`` in days, rounded up."""
    return -(-time // DAY)
