"""A prepared avatar: what its files are, and the same once they have been read.

A bundle is three files and a manifest that names them with their sizes and checksums:
- ``frames.h264``: the avatar's frames at 25 fps, each a picture of its own (engine.video.intra)
- ``track.safetensors``: where the face is and what the renderer keeps of it (engine.avatar.track_file)
- ``thumbnail.jpg``: the first frame that shows a face

In the store the files lie under a name that only one attempt at preparing the avatar ever writes to, which the
manifest gives; so attempts at the same time never mix. The bundle is there exactly when its manifest is.
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from engine.avatar.cache import Lease
from engine.avatar.frames import AvatarFrames
from engine.avatar.manifest import FRAMES, THUMBNAIL, TRACK, Manifest, measure
from engine.avatar.memory import AvatarMemory, HeldAvatar, OpenedBundle
from engine.avatar.track_file import TrackShape, read_track
from engine.errors import BundleDamaged
from engine.lipsync.renderer import FaceTrack
from engine.video.compose import Alpha
from engine.video.intra import FrameDamaged, IntraReader


@dataclass(frozen=True, eq=False)
class PreparedAvatar:
    """An avatar ready to speak. Its files stay on this host's disk as long as this object lives.

    What was read and made of it may stay in memory for later jobs (engine.avatar.memory): that holds no lease, so it
    keeps no file on the disk.
    """

    key: str
    manifest: Manifest
    frames_path: Path
    held: HeldAvatar = field(repr=False)
    memory: AvatarMemory = field(repr=False)
    lease: Lease = field(repr=False)

    @property
    def thumbnail(self) -> bytes:
        """The first frame that shows a face, as JPEG."""
        return (self.lease.folder / THUMBNAIL).read_bytes()

    @property
    def track(self) -> FaceTrack:
        """The same object for every job, as long as it is held."""
        return self.held.opened.track

    def open_frames(self) -> AvatarFrames:
        """A FrameSource over the frames: one for each thread, closed by whoever asked for it."""
        return AvatarFrames(self.memory, self.held, self.frames_path)

    def alpha(self, which: int) -> Alpha:
        """Mask ``which`` of the track made ready for composition. For any thread."""
        return self.memory.alpha(self.held, which)


def is_present(manifest: Manifest, folder: Path) -> bool:
    """Whether the folder has every part at its size."""
    return all(_size(folder / name) == part.bytes for name, part in manifest.parts.items())


def is_sound(manifest: Manifest, folder: Path) -> bool:
    """Whether the folder has every part with its checksum."""
    return is_present(manifest, folder) and all(measure(folder / name) == part for name, part in manifest.parts.items())


def place_parts(manifest: Manifest, folder: Path, target: Path) -> None:
    """Give ``target`` the parts that lie in ``folder``, without copying where both are on one disk."""
    for name in manifest.parts:
        try:
            (target / name).hardlink_to(folder / name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            shutil.copyfile(folder / name, target / name)


def open_bundle(manifest: Manifest, lease: Lease, memory: AvatarMemory) -> PreparedAvatar:
    """The bundle in the lease's folder, whose checksums have been verified: read, unless ``memory`` holds it.

    Raises BundleDamaged when the track contradicts the manifest or itself, or the first frame the manifest.
    """
    held = memory.open(manifest.name, lambda: _read(manifest, lease.folder))
    return PreparedAvatar(manifest.key, manifest, lease.folder / FRAMES, held, memory, lease)


def _read(manifest: Manifest, folder: Path) -> OpenedBundle:
    shape = TrackShape(manifest.frames, manifest.width, manifest.height, manifest.parts[FRAMES].bytes)
    track, index = read_track(folder / TRACK, shape, manifest.face.face())
    # Only the frames know their size; the manifest has no checksum of its own.
    with IntraReader(folder / FRAMES, index) as frames:
        try:
            frames.frame(0)
        except FrameDamaged as error:
            raise BundleDamaged("The avatar's first frame is not what the manifest says.") from error
    return OpenedBundle(track, index)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
