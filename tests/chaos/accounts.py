"""Whether every job came to exactly one end, by what the queue has of it and what lies in the store."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

# Both are trees of errors, of which the codes are taken.
from engine import errors, outages
from engine.errors import KeepsCrashing
from engine.job_ids import record_id_of
from engine.starts import MOST_STARTS
from engine.timebase import FRAME_RATE
from tests.chaos.media import video_frames
from tests.worker.queue_jobs import QueuedJob

if TYPE_CHECKING:
    from tests.chaos.callers import Acknowledged

End = Literal["result", "error", "cancelled", "lost"]

ERROR_FIELDS = {"code", "message", "retryable", "request_id"}

DEFECTS = frozenset({"internal_error", "configuration_error", "weights_missing", "weights_damaged", "result_refused"})
"""Errors that no fault of a run excuses."""


@dataclass(frozen=True)
class Accounts:
    """Ids of jobs by their ends, and what is wrong with some in words. doubled: those with more than one result.

    codes: how often a typed error had each.
    """

    ends: Mapping[str, End]
    doubled: frozenset[str]
    wrong: tuple[str, ...]
    codes: Mapping[str, int] = field(default_factory=dict)

    def count(self, end: End) -> int:
        return sum(each == end for each in self.ends.values())


def settled(
    acknowledged: Sequence[Acknowledged],
    jobs: Iterable[QueuedJob],
    objects: Mapping[str, bytes],
    killed: Collection[str] = (),
) -> Accounts:
    """The accounts at the end. objects: all that is stored, by their keys. killed: workers that have died."""
    known = {job.id: job for job in jobs}
    deleted = frozenset(_deleted(acknowledged))
    ends: dict[str, End] = {}
    wrong: list[str] = []
    codes: Counter[str] = Counter()
    for each in acknowledged:
        job = known.get(each.job_id)
        ends[each.job_id], complaint = ("lost", "the queue has no such job") if job is None else _end(job, each)
        if job is not None and ends[each.job_id] == "result":
            complaint = _fault_of_result(job, each, objects, deleted)
            ends[each.job_id] = "lost" if complaint else "result"
        if job is not None and ends[each.job_id] == "error":
            code = (told_error(job.error) or {})["code"]
            codes[code] += 1
            complaint = complaint or _fault_of_giving_up(job, code, killed)
        if complaint:
            wrong.append(f"{each.job_id}: {complaint}")
    doubles = dict(_doubled(acknowledged, known, objects))
    wrong += [f"{job_id}: {why}" for job_id, why in doubles.items()]
    return Accounts(ends, frozenset(doubles), tuple(wrong), codes)


def told_error(text: str | None) -> dict[str, Any] | None:
    """The fields of a typed error; None where it is none."""
    with suppress(ValueError):
        told = json.loads(text or "")
        return told if isinstance(told, dict) and set(told) == ERROR_FIELDS else None
    return None


def known_codes() -> frozenset[str]:
    """The codes of the whole tree of errors."""
    assert outages.Outage.__base__ is errors.EngineError
    return frozenset(_codes(errors.EngineError))


def _codes(kind: type[errors.EngineError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _codes(below)


def _end(job: QueuedJob, told: Acknowledged) -> tuple[End, str]:
    """How the job ended, and what is wrong with that."""
    if job.status == "CANCELLED":
        return ("cancelled", "") if told.cancelled else ("lost", "it is cancelled, and nobody has asked for that")
    if job.status == "FAILED":
        return _failed(job, told)
    if job.status != "COMPLETED":
        return "lost", f"it is still {job.status}, was handed to {', '.join(job.handed_to) or 'nobody'}"
    return ("result", "") if isinstance(job.output, dict) and job.output else ("lost", "COMPLETED without an output")


def _failed(job: QueuedJob, told: Acknowledged) -> tuple[End, str]:
    error = told_error(job.error)
    if error is None or error["code"] not in known_codes() or error["request_id"] != job.id:
        return "lost", f"no typed error: {str(job.error)[:200]}"
    if error["code"] in DEFECTS or "Traceback" in error["message"]:
        return "error", f"a defect: {error['code']}: {error['message']}"
    if told.asked.ends != "refused" and error["code"] in ("invalid_input", "unknown_action"):
        return "error", f"nothing was wrong with its input: {error['message']}"
    return "error", ""


def _fault_of_giving_up(job: QueuedJob, code: str, killed: Collection[str]) -> str:
    """A job is taken for one that kills its workers only where workers have died at it."""
    deaths = [worker for worker in job.handed_to if worker in killed]
    if code != KeepsCrashing.code or len(deaths) >= MOST_STARTS:
        return ""
    return f"it is said to keep crashing; of {', '.join(job.handed_to)} there died {', '.join(deaths) or 'nobody'}"


def _deleted(acknowledged: Iterable[Acknowledged]) -> Iterator[str]:
    """Sessions that somebody has asked to be deleted: what was made in them may be gone."""
    for each in acknowledged:
        if each.asked.ends == "deleted":
            yield each.asked.input["session_id"]


def _fault_of_result(job: QueuedJob, told: Acknowledged, objects: Mapping[str, bytes], deleted: frozenset[str]) -> str:
    output, asked = job.output, told.asked
    if asked.ends == "refused":
        return "its input is of no use, and yet it has a result"
    if asked.ends in ("session", "status"):
        return _fault_of_session(output, asked.ends == "session", objects, deleted)
    if asked.ends == "deleted":
        return "" if f"sessions/{asked.input['session_id']}.json" not in objects else "its session is still there"
    return "" if output.get("session_id") in deleted else _fault_of_video(output, asked.frames, objects)


def _fault_of_session(
    output: Mapping[str, Any], is_new: bool, objects: Mapping[str, bytes], deleted: frozenset[str]
) -> str:
    if is_new and output.get("status") != "ready":
        return f"its session is {output.get('status')}"
    session = output.get("session_id")
    is_kept = f"sessions/{session}.json" in objects or session in deleted
    return "" if is_kept else f"its session {session} is not in the store"


def _fault_of_video(output: Mapping[str, Any], frames: int | None, objects: Mapping[str, bytes]) -> str:
    if not {"video_key", "frames", "duration"} <= output.keys():
        return "COMPLETED, and its output tells of no video"
    missing = [key for name, key in output.items() if name.endswith("_key") and key not in objects]
    if missing:
        return f"COMPLETED, and {missing[0]} is not in the store"
    shown = video_frames(objects[output["video_key"]])
    if shown != output["frames"] or (frames is not None and shown != frames):
        return f"its video has {shown} frames, its result says {output['frames']}, its sound lasts {frames}"
    if abs(output["duration"] - shown / FRAME_RATE) > 0.5 / FRAME_RATE:
        return f"its duration is {output['duration']} s, that of {shown} frames isn't"
    return ""


def _doubled(
    acknowledged: Iterable[Acknowledged], known: Mapping[str, QueuedJob], objects: Mapping[str, bytes]
) -> Iterator[tuple[str, str]]:
    """Jobs with more than one result, and why one thinks so."""
    folders = _folders_of_videos(objects)
    of_keys: dict[str, set[str]] = defaultdict(set)
    for each in acknowledged:
        if (job := known.get(each.job_id)) is None:
            continue
        videos = {post.body["output"]["video_key"] for post in job.posts if _is_video(post.body)}
        if len(videos) > 1 or len(folders[record_id_of(job.id)]) > 1:
            yield job.id, f"more than one result: {sorted(videos | folders[record_id_of(job.id)])}"
        key = each.asked.input.get("idempotency_key") if isinstance(each.asked.input, dict) else None
        if key is not None and job.status == "COMPLETED":
            of_keys[key] |= videos
            if len(of_keys[key]) > 1:
                yield job.id, f"more than one result of the key {key}: {sorted(of_keys[key])}"


def _is_video(body: Mapping[str, Any]) -> bool:
    return "status" not in body and isinstance(body.get("output"), dict) and "video_key" in body["output"]


def _folders_of_videos(keys: Iterable[str]) -> dict[str, set[str]]:
    """By a job's record, its folders that hold a video: outputs/{session}/{record}-{a hash of its input}/video.mp4."""
    found: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        if key.startswith("outputs/") and key.endswith("/video.mp4"):
            folder = key.rpartition("/")[0]
            found[folder.split("/")[2].rpartition("-")[0]].add(folder)
    return found
