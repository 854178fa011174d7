"""Whether a store keeps what its records say: what they name is there, and agrees with them.

tests.chaos.objects reads each object by itself and knows the kinds of keys; tests.chaos.references finds what nothing
refers to. This is the other direction, from records to things:

- sessions/, jobs/: a record lies under its own id. The owner's index has each session.
- a ready session's avatar is published, has the session's reference, and each of its frames can be opened.
- a done job of a session that is still there has its files and its result.json, its video as many frames as it says,
  its captions the words; and the ledger has it once, with the same outputs.
- a stream that is done has the frames of its job's video, by its parts and by its segments, and a playlist that ends.
- usage/ counts no more than the ledger's entries come to, and remembers no entry that isn't there.

Not faults: a running job or a session in preparation without a worker, which the next who asks or the sweep settles;
an entry of the ledger that is not counted, whose writer was killed in between (engine.ledger.ledger); and a stream
that still runs beside a job that is done, which another run of the job has left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC

from engine.avatar.manifest import read_manifest
from engine.avatar.refs import manifest_key, ref_key
from engine.ledger.entry import Entry
from engine.ledger.usage import OwnersDay, Usage, usage_key
from engine.outputs import Outputs
from engine.owner_index import Entry as Listed
from engine.records import JobRecord, SessionRecord
from engine.schemas import Generated
from engine.streams.layout import StreamState, state_key
from tests.chaos.media import video_frames
from tests.chaos.whole import opens, playlist_is_whole, spells, stream_frames

MEASURED = {"timings", "gpu_seconds", "expires_at", "warnings"}
"""What two runs of one job, both of which have finished, may tell otherwise."""


def faults_in(objects: Mapping[str, bytes]) -> tuple[str, ...]:
    """Sentences on all that isn't as the records say. objects: the whole store, before any of it is swept.

    Every record has to be readable, as tests.chaos.objects finds out.
    """
    store = _Store.of(objects)
    return tuple(store.faults())


@dataclass(frozen=True)
class _Store:
    """All that is stored; the records by their keys, without sessions that are being removed."""

    objects: Mapping[str, bytes]
    sessions: Mapping[str, SessionRecord]
    jobs: Mapping[str, JobRecord]
    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, objects: Mapping[str, bytes]) -> _Store:
        def below(folder: str) -> Iterator[tuple[str, bytes]]:
            return ((key, body) for key, body in objects.items() if key.startswith(f"{folder}/"))

        sessions = {key: SessionRecord.model_validate_json(body) for key, body in below("sessions")}
        return cls(
            objects,
            {key: record for key, record in sessions.items() if not record.claimed},
            {key: JobRecord.model_validate_json(body) for key, body in below("jobs")},
            {key: Entry.model_validate_json(body) for key, body in below("audit")},
        )

    def faults(self) -> Iterator[str]:
        for key, session in self.sessions.items():
            yield from (f"{key}: {fault}" for fault in self._of_session(key, session))
        for key, job in self.jobs.items():
            yield from (f"{key}: {fault}" for fault in self._of_job(key, job))
        for avatar in sorted({each.avatar_key for each in self.sessions.values() if each.avatar_key}):
            yield from self._of_bundle(avatar)
        yield from self._of_usage()

    def _of_session(self, key: str, session: SessionRecord) -> Iterator[str]:
        if key != f"sessions/{session.session_id}.json":
            yield f"it is the record of {session.session_id}"
            return
        if Listed.of("sessions", session.owner, session.session_id, session.created).key not in self.objects:
            yield "its owner's index hasn't it"
        if session.status == "ready":
            yield from self._of_avatar(session)

    def _of_avatar(self, session: SessionRecord) -> Iterator[str]:
        avatar = session.avatar_key
        if avatar is None or read_manifest(self.objects.get(manifest_key(avatar), b""), avatar) is None:
            yield f"it is ready, and its avatar {avatar} isn't there"
        elif ref_key(avatar, session.session_id) not in self.objects:
            yield f"nothing keeps its avatar {avatar} for it"

    def _of_bundle(self, avatar: str) -> Iterator[str]:
        manifest = read_manifest(self.objects.get(manifest_key(avatar), b""), avatar)
        if manifest is not None and not opens(manifest, self.objects):
            yield f"{manifest_key(avatar)}: the bundle can't be opened"

    def _of_job(self, key: str, job: JobRecord) -> Iterator[str]:
        if key != f"jobs/{job.job_id}.json":
            yield f"it is the record of {job.job_id}"
        elif job.state == "done":
            if job.result is None:
                yield "it is done, and has no result"
            else:
                yield from self._of_done(job, Generated.model_validate(job.result))

    def _of_done(self, job: JobRecord, result: Generated) -> Iterator[str]:
        assert job.session_id is not None
        outputs = Outputs.of(job.session_id, job.job_id, job.input_hash)
        entry = self.entries.get(f"audit/{job.created.astimezone(UTC).date().isoformat()}/{outputs.name}.json")
        if entry is None or entry.ended != "done":
            yield "it is done, and the ledger doesn't say so"
        elif (entry.outputs, entry.seconds) != (_keys(result), result.duration):
            yield f"the ledger has other outputs of it: {', '.join(entry.outputs)}, {entry.seconds} s"
        if self._has_its_session(job) and (entry is None or entry.bucket is None):
            yield from self._of_files(outputs, result)
            yield from self._of_stream(job, result)

    def _has_its_session(self, job: JobRecord) -> bool:
        """Whether what it made must still be there: its session may have been deleted since, and created anew."""
        session = self.sessions.get(f"sessions/{job.session_id}.json")
        return session is not None and session.created <= job.updated

    def _of_files(self, outputs: Outputs, result: Generated) -> Iterator[str]:
        missing = [key for key in (*_keys(result), outputs.result) if key not in self.objects]
        if missing:
            yield f"it is done, and {', '.join(missing)} isn't there"
            return
        stored = Generated.model_validate_json(self.objects[outputs.result])
        if stored.model_dump(exclude=MEASURED) != result.model_dump(exclude=MEASURED):
            yield f"{outputs.result} tells another result"
        frames = video_frames(self.objects[result.video_key])
        if frames != result.frames:
            yield f"{result.video_key} has {frames} frames, and it says {result.frames}"
        for captions in filter(None, (result.captions_key, result.subtitles_key)):
            if not spells(self.objects[captions], tuple(result.words)):
                yield f"{captions} hasn't its words"

    def _of_stream(self, job: JobRecord, result: Generated) -> Iterator[str]:
        body = self.objects.get(state_key(job.job_id))
        state = None if body is None else StreamState.model_validate_json(body)
        if state is None or state.state != "done":
            return
        relayed, played = stream_frames(job.job_id, state, self.objects)
        if not relayed == played == result.frames:
            yield f"its stream has {relayed} frames in parts and {played} in segments, and it says {result.frames}"
        if not playlist_is_whole(job.job_id, state, self.objects):
            yield "its stream's playlist isn't the stream"

    def _of_usage(self) -> Iterator[str]:
        spent: dict[str, Usage] = defaultdict(Usage)
        names: dict[str, set[str]] = defaultdict(set)
        for entry in self.entries.values():
            day = usage_key(entry.day, entry.owner)
            spent[day] += Usage.of(entry)
            names[day].add(entry.name)
        for key in (key for key in self.objects if key.startswith("usage/")):
            counted = OwnersDay.model_validate_json(self.objects[key])
            if not set(counted.last) <= names[key] or len(set(counted.last)) < len(counted.last):
                yield f"{key}: it has counted what the ledger hasn't, or twice"
            if _exceeds(counted.usage, spent[key]):
                yield f"{key}: it says {counted.usage}, and the ledger's entries come to {spent[key]}"


def _keys(result: Generated) -> tuple[str, ...]:
    return tuple(value for name, value in result if name.endswith("_key") and value is not None)


def _exceeds(counted: Usage, spent: Usage) -> bool:
    sums = spent.model_dump()
    return any(value > sums[name] + 0.0005 for name, value in counted.model_dump().items())
