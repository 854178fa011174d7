from __future__ import annotations

from tests.threads import threads

__all__ = ["threads"]
