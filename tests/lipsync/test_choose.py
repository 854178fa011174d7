from __future__ import annotations

from typing import Literal

import pytest

from engine.lipsync.choose import choose_renderer
from engine.lipsync.speech_shape import PreviewListener
from engine.settings import Settings


@pytest.mark.parametrize("wanted", ["auto", "preview"])
def test_the_preview_is_named_as_such(wanted: Literal["auto", "preview"]) -> None:
    renderer = choose_renderer(Settings(renderer=wanted))
    assert renderer.name == renderer.preparer.name == renderer.lipsync.name == "preview"
    assert renderer.revision == renderer.preparer.revision
    assert renderer.device == "cpu"


def test_each_job_listens_for_itself() -> None:
    lipsync = choose_renderer(Settings()).lipsync
    assert isinstance(lipsync.listen(), PreviewListener)
    assert lipsync.listen() is not lipsync.listen()
