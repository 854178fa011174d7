"""Sound to features on one device: the spectrogram and the encoder as one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.nets.log_mel import LogMel
from engine.nets.whisper import WhisperEncoder


class Hearing:
    """Encodes segments with ``encoder``, on the device and in the type that its weights have."""

    def __init__(self, encoder: WhisperEncoder) -> None:
        self._encoder = encoder
        self._weight = encoder.conv1.weight
        self._log_mel = LogMel().to(self._weight.device)

    def __call__(self, segment: NDArray[np.float32]) -> NDArray[Any]:
        """One segment of 16 kHz samples [320 positions] to [positions, layers + 1, width].

        The spectrogram is float32 always. The features are float16 or float32: whichever holds the encoder's type.
        Raises torch.OutOfMemoryError.
        """
        with torch.inference_mode():
            sound = torch.from_numpy(segment).to(self._weight.device)
            mel = self._log_mel(sound[None]).to(self._weight.dtype)
            features: torch.Tensor = self._encoder(mel)[0]
            # numpy has no bfloat16.
            held = features.float() if features.dtype == torch.bfloat16 else features
            return held.cpu().numpy()
