"""Where the networks' weights lie, what each official file is packed into, and what a packed file says of itself.

Needs no torch, so that looking whether everything is packed already takes no time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from safetensors import SafetensorError, safe_open

PACKED_FOLDER = "packed"
FORMAT = "1"


class Official(StrEnum):
    """An official file, by its place in the folder of weights."""

    UNET = "musetalkV15/unet.pth"
    VAE = "sd-vae/diffusion_pytorch_model.safetensors"
    WHISPER = "whisper/model.safetensors"
    BISENET = "face-parse-bisent/79999_iter.pth"


class Packed(StrEnum):
    """A file that the worker loads, by its name in the folder of packed files."""

    UNET = "unet.safetensors"
    VAE_ENCODER = "vae-encoder.safetensors"
    VAE_DECODER = "vae-decoder.safetensors"
    WHISPER = "whisper.safetensors"
    BISENET = "bisenet.safetensors"


MADE_OF = {
    Packed.UNET: Official.UNET,
    Packed.VAE_ENCODER: Official.VAE,
    Packed.VAE_DECODER: Official.VAE,
    Packed.WHISPER: Official.WHISPER,
    Packed.BISENET: Official.BISENET,
}


@dataclass(frozen=True)
class Stamp:
    """What a packed file says of itself: the SHA-256 (hex) of the file it was made of, and its type of numbers.

    ``dtype`` is a name of torch's: float16, bfloat16 or float32.
    """

    source: str
    dtype: str
    format: str = FORMAT

    def metadata(self) -> dict[str, str]:
        return asdict(self)


def stamp_for(packed: Packed, source: str, dtype: str) -> Stamp:
    """The stamp of a file packed as ``dtype``. BiSeNet is float32 always: it decides between classes, and is small."""
    return Stamp(source, "float32" if packed is Packed.BISENET else dtype)


def is_stamped(path: Path, stamp: Stamp) -> bool:
    """Whether there is a whole safetensors file at ``path`` that bears this stamp. Its tensors are not read."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="numpy") as file:
            found: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError):
        return False
    return stamp.metadata().items() <= found.items()
