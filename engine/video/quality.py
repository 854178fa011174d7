"""How well a video is encoded, in a caller's words."""

from __future__ import annotations

from typing import Literal

Quality = Literal["draft", "standard", "high"]
"""draft: small and quick, to look at. standard: what suits a talking face. high: to be worked on further."""
