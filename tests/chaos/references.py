"""Which objects of a store nothing refers to: they have to go by themselves."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from engine.avatar.manifest import read_manifest
from engine.outputs import Outputs
from engine.records import JobRecord, SessionRecord
from engine.streams.layout import StreamState

KEPT = ("audit/", "usage/", "catalogue/", "workers/")
"""They speak for themselves."""

_REF = re.compile(r"avatars/([0-9a-f]{64})/refs/(.+)")
_ENTRY = re.compile(r"owners/[a-z0-9]+/sessions/[0-9]{16}-(.+)")


@dataclass(frozen=True)
class References:
    """What the records say. lasting: the keys of avatars that stay whether used or not."""

    sessions: Mapping[str, SessionRecord]
    jobs: Mapping[str, JobRecord]
    runs: frozenset[str]
    attempts: frozenset[str]
    lasting: Collection[str]

    @classmethod
    def of(cls, objects: Mapping[str, bytes], lasting: Collection[str]) -> References:
        sessions = [SessionRecord.model_validate_json(body) for body in _below("sessions/", objects)]
        jobs = [JobRecord.model_validate_json(body) for body in _below("jobs/", objects)]
        return cls(
            {each.session_id: each for each in sessions if not each.claimed},
            {each.job_id: each for each in jobs},
            frozenset(_runs(objects)),
            frozenset(_attempts(objects)),
            lasting,
        )

    def hold(self, key: str) -> bool:
        """Whether the object belongs to something that there is."""
        room, _, rest = key.partition("/")
        if room == "outputs":
            return self._hold_output(key)
        if room == "streams":
            job, _, run = rest.partition("/")
            return job in self.jobs and (run == "stream.json" or key.rpartition("/")[0] in self.runs)
        if room == "avatars":
            return self._hold_avatar(key)
        if (entry := _ENTRY.fullmatch(key)) is not None:
            return entry[1] in self.sessions
        named = {"sessions": self.sessions, "jobs": self.jobs}.get(room, {})
        return rest.removesuffix(".json") in named or key.startswith(KEPT)

    def _hold_output(self, key: str) -> bool:
        """Of a finished job, in a session that there is."""
        _, session, folder, *name = key.split("/")
        job = self.jobs.get(folder.rpartition("-")[0])
        if job is None or job.state != "done" or session not in self.sessions or job.session_id != session:
            return False
        return folder == Outputs.of(session, job.job_id, job.input_hash).name and name[0] != "speech"

    def _hold_avatar(self, key: str) -> bool:
        if (ref := _REF.fullmatch(key)) is not None:
            return ref[2] in self.sessions and self.sessions[ref[2]].avatar_key == ref[1]
        _, avatar, name, *_ = key.split("/")
        is_used = avatar in self.lasting or any(each.avatar_key == avatar for each in self.sessions.values())
        return is_used and (name in ("manifest.json", "used") or f"{avatar}/{name}" in self.attempts)


def unreferenced(objects: Mapping[str, bytes], lasting: Collection[str] = ()) -> set[str]:
    """Keys of objects that belong to nothing. Every record has to be whole."""
    references = References.of(objects, lasting)
    return {key for key in objects if not references.hold(key)}


def _below(prefix: str, objects: Mapping[str, bytes]) -> Iterator[bytes]:
    return (body for key, body in objects.items() if key.startswith(prefix))


def _runs(objects: Mapping[str, bytes]) -> Iterator[str]:
    """Folders of the runs that streams are of."""
    for key, body in objects.items():
        if key.startswith("streams/") and key.endswith("/stream.json"):
            state = StreamState.model_validate_json(body)
            if state.state != "failed":
                yield f"{key.rpartition('/')[0]}/{state.run}"


def _attempts(objects: Mapping[str, bytes]) -> Iterator[str]:
    """The attempts whose bundles are published, each as its avatar's key and its own name."""
    for key, body in objects.items():
        if key.startswith("avatars/") and key.endswith("/manifest.json"):
            with suppress(ValidationError):
                if (manifest := read_manifest(body, key.split("/")[1])) is not None:
                    yield f"{manifest.key}/{manifest.attempt}"
