"""From a video or picture to the files of a bundle: it is read and looked at in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from engine.avatar.flight import StageProgress
from engine.avatar.incoming import IncomingFrames
from engine.avatar.manifest import CONTENT_TYPES, FRAMES, THUMBNAIL, TRACK, FaceFacts, Manifest, Source, measure
from engine.avatar.track_file import write_track
from engine.cancel import CancelToken
from engine.lipsync.options import PreparationOptions
from engine.lipsync.renderer import FaceTrack, Preparer
from engine.media.frames import open_frames
from engine.media.limits import MediaLimits
from engine.timebase import FRAME_RATE
from engine.video.thumbnail import thumbnail

READING = "reading"
FINDING = "finding the face"
SAVING = "saving"
_SPANS = {FINDING: (0.0, 0.9), SAVING: (0.9, 1.0)}


@dataclass(frozen=True)
class Naming:
    """What a new bundle is called. created: in UTC."""

    key: str
    attempt: str
    created: datetime


@dataclass(frozen=True)
class Preparation:
    """Makes bundles with one renderer's preparer, out of files within ``limits``."""

    preparer: Preparer
    limits: MediaLimits

    def make(
        self,
        source: Path,
        folder: Path,
        naming: Naming,
        options: PreparationOptions,
        progress: StageProgress,
        cancel: CancelToken,
    ) -> Manifest:
        """Write the bundle's parts into ``folder`` and describe them.

        Raises MediaUnreadable, AvatarTooLarge, AvatarTooLong, NoFace, Cancelled, and OSError when the disk is full.
        """
        with (
            open_frames(source, self.limits, cancel) as stream,
            IncomingFrames(stream, folder / FRAMES) as frames,
        ):
            track = self.preparer.prepare(frames, options, stage_of(FINDING, progress), cancel)
            (folder / THUMBNAIL).write_bytes(thumbnail(frames.frame(_first_with_face(track))))
            info, index = stream.info, frames.index
        write_track(folder / TRACK, track, index)
        cancel.check()
        return Manifest(
            key=naming.key,
            attempt=naming.attempt,
            width=index.width,
            height=index.height,
            frames=index.count,
            seconds=index.count / FRAME_RATE,
            source=Source(
                codec=info.codec,
                width=info.source_width,
                height=info.source_height,
                rate=None if info.source_rate is None else float(info.source_rate),
            ),
            renderer=self.preparer.name,
            revision=self.preparer.revision,
            face=FaceFacts.of(track.face),
            warnings=info.warnings,
            created=naming.created,
            parts={name: measure(folder / name) for name in CONTENT_TYPES},
        )


def stage_of(stage: str, progress: StageProgress) -> Callable[[float], None]:
    """Turns the share of one stage's work into the share of the whole."""
    begin, end = _SPANS[stage]
    return lambda share: progress(stage, begin + (end - begin) * min(1.0, max(0.0, share)))


def _first_with_face(track: FaceTrack) -> int:
    """The first frame that shows a face; every track has one."""
    return int(np.argmax(track.mask_index >= 0))
