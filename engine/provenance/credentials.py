"""Content Credentials: a C2PA manifest in the finished video, signed by the operator and read back.

What signs is loaded at the start where a certificate is set, and nowhere else.
"""

from __future__ import annotations

import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import cv2
import numpy as np

from engine.errors import ConfigurationError, SigningFailed
from engine.outages import TimestampUnavailable
from engine.provenance.settings import ProvenanceSettings
from engine.provenance.source_type import SOURCE_TYPE
from engine.video.output import disk_errors

if TYPE_CHECKING:
    from c2pa import Signer

    from engine.provenance.signing_pair import SigningPair

log = logging.getLogger(__name__)

PRODUCT = "talking-avatar"
_MP4, _JPEG = "video/mp4", "image/jpeg"
_HOLDS = ("Valid", "Trusted")
"""C2PA's states of a manifest that holds; whom to trust is the reader's choice."""
_LARGE = 32_000_000
"""Bytes of a video from which on it is hashed in blocks: in one piece c2pa takes memory for all of it."""
_BLOCK_KB = 1024
_COPY_MB = 16
"""How much of its copy of a file c2pa holds in memory; what is larger lies on the disk."""


class ManifestRefused(Exception):
    """No manifest can be made with this certificate, or what was made doesn't hold."""


@dataclass(frozen=True)
class ContentCredentials:
    """Signs videos that ``renderer``, of this ``revision``, has drawn."""

    pair: SigningPair
    timestamp_url: str | None
    renderer: str
    revision: str

    @classmethod
    def of(cls, settings: ProvenanceSettings, renderer: str, revision: str) -> ContentCredentials | None:
        """None where no certificate is set. Raises ConfigurationError where it can't sign what C2PA accepts."""
        if settings.c2pa_certificate is None or settings.c2pa_private_key is None:
            return None
        from engine.provenance.signing_pair import SigningPair

        pair = SigningPair.read(settings.c2pa_certificate, settings.c2pa_private_key.get_secret_value())
        credentials = cls(pair, settings.c2pa_timestamp_url, renderer, revision)
        try:
            credentials._try_out()
        except ManifestRefused as refusal:
            raise ConfigurationError(
                f"C2PA_CERTIFICATE doesn't sign what C2PA accepts ({refusal}). It has to be valid now, issued by "
                "another certificate, and meant for C2PA, e-mail protection or document signing."
            ) from refusal
        return credentials

    def signed(self, video: Path) -> Path:
        """The MP4 with a manifest, in another file of its folder; ``video`` itself is gone.

        Raises SigningFailed, TimestampUnavailable and StorageFull.
        """
        target = video.with_name(f"signed-{video.name}")
        try:
            self._sign_file(video, target, self.timestamp_url)
        except ManifestRefused as refusal:
            raise self._failure(refusal) from refusal
        video.unlink()
        return target

    def _sign_file(self, video: Path, target: Path, timestamp_url: str | None) -> None:
        with disk_errors(), video.open("rb") as source, target.open("w+b") as signed:
            self._sign(_MP4, source, signed, timestamp_url)

    def _failure(self, refusal: ManifestRefused) -> SigningFailed | TimestampUnavailable:
        """Whose fault it is: where signing works without a time stamp, it is the authority's."""
        log.error("A video could not be signed: %s", refusal)
        if self.timestamp_url is not None:
            try:
                self._try_out()
            except ManifestRefused:
                pass
            else:
                return TimestampUnavailable("The time-stamping authority gave no stamp for the video. Try again.")
        return SigningFailed("The video could not be signed. The operator has to look at C2PA_CERTIFICATE.")

    def _try_out(self) -> None:
        """Sign a small picture, without a time stamp. Raises ManifestRefused."""
        _, picture = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
        self._sign(_JPEG, io.BytesIO(np.asarray(picture).tobytes()), io.BytesIO(), None)

    def _sign(self, kind: str, source: BinaryIO, target: BinaryIO, timestamp_url: str | None) -> None:
        """Copy ``source`` to ``target`` with a manifest in it, and read that back. Raises ManifestRefused."""
        from c2pa import Builder, C2paError, Context, Reader

        try:
            with Context.from_dict(_settings(source.seek(0, os.SEEK_END))) as context:
                source.seek(0)
                with self._signer(timestamp_url) as signer, Builder(self._manifest(), context) as builder:
                    builder.sign(signer, kind, source, target)
                target.seek(0)
                with Reader(kind, target, context=context) as reader:
                    state = reader.get_validation_state()
        except C2paError as error:
            raise ManifestRefused(str(error)) from error
        if state not in _HOLDS:
            raise ManifestRefused(f"the manifest that was written is {state}")

    def _signer(self, timestamp_url: str | None) -> Signer:
        from c2pa import C2paSignerInfo, Signer

        stamped = None if timestamp_url is None else timestamp_url.encode()
        pair = self.pair
        return Signer.from_info(C2paSignerInfo(pair.algorithm.encode(), pair.certificates, pair.private_key, stamped))

    def _manifest(self) -> dict[str, Any]:
        """What the manifest says: that a machine made this, and which. Nothing of whoever asked for it."""
        created = {
            "action": "c2pa.created",
            "digitalSourceType": SOURCE_TYPE,
            "softwareAgent": {"name": f"{PRODUCT}, renderer {self.renderer}", "version": self.revision},
        }
        return {
            "claim_generator_info": [{"name": PRODUCT}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }


def _settings(size: int) -> dict[str, Any]:
    """c2pa's settings for a file of ``size`` bytes: no network but for the time stamp, and memory within bounds."""
    core = {"backing_store_memory_threshold_in_mb": _COPY_MB}
    if size >= _LARGE:
        core["merkle_tree_chunk_size_in_kb"] = _BLOCK_KB
    return {"core": core, "builder": {"thumbnail": {"enabled": False}}, "verify": {"remote_manifest_fetch": False}}
