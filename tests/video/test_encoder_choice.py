"""Which encoder a worker takes, and what becomes of a video that it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest

from engine.errors import ConfigurationError
from engine.timebase import FRAME_RATE
from engine.video.encode import EncoderRefused, EncoderSettings, Mp4Writer, VideoEncoder
from engine.video.encoder_choice import NvencSettings, begin_mp4, choose_encoder, try_out, x264_threads
from engine.video.i420 import I420
from engine.video.quality import Quality

SIDE = 64


@dataclass(frozen=True)
class Odd:
    """x264 with some other options."""

    codec: str = "libx264"
    threads: int = 1
    instead: VideoEncoder | None = None
    other: dict[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, str]:
        return EncoderSettings().options() | self.other

    def at(self, quality: Quality) -> VideoEncoder:
        return self


def refuse(encoder: VideoEncoder) -> None:
    raise EncoderRefused(f"{encoder.codec} has no room")


def accept(encoder: VideoEncoder) -> None:
    """An encoder that does all."""


def refusal_of(encoder: VideoEncoder) -> str:
    """Why it is refused; nothing where it isn't."""
    try:
        try_out(encoder)
    except EncoderRefused as refusal:
        return str(refusal)
    return ""


def made(path: Path, encoder: VideoEncoder) -> Mp4Writer:
    return begin_mp4(lambda each: Mp4Writer(path, SIDE, SIDE, each), encoder)


def test_a_quality_is_one_of_the_encoder_that_stands_in_too() -> None:
    nvenc = NvencSettings(instead=EncoderSettings())
    draft, high = nvenc.at("draft"), nvenc.at("high")
    assert nvenc.at("standard") == nvenc
    assert draft.cq > nvenc.cq > high.cq
    assert draft.instead == EncoderSettings().at("draft")
    assert high.instead == EncoderSettings().at("high")


def test_nvenc_is_taken_where_it_opens() -> None:
    chosen = choose_encoder("auto", 16, 3, accept)
    assert chosen.codec == "h264_nvenc"
    assert chosen.instead == EncoderSettings(threads=4)
    assert choose_encoder("nvenc", 16, 3, accept) == chosen


def test_x264_is_taken_where_nvenc_does_not_open() -> None:
    assert choose_encoder("auto", 16, 3, refuse) == EncoderSettings(threads=4)


def test_x264_on_demand_tries_nothing_else() -> None:
    tried: list[VideoEncoder] = []
    assert choose_encoder("x264", 2, 3, tried.append) == EncoderSettings(threads=1)
    assert tried == []


def test_nvenc_on_demand_that_does_not_open_is_said() -> None:
    with pytest.raises(ConfigurationError, match="ENCODER is nvenc, and this machine's GPU") as raised:
        choose_encoder("nvenc", 16, 3, refuse)
    assert "Set ENCODER to auto or x264" in raised.value.message


@pytest.mark.parametrize(("cores", "jobs", "threads"), [(1, 3, 1), (2, 3, 1), (6, 3, 2), (16, 3, 4), (64, 1, 4)])
def test_jobs_share_the_cores(cores: int, jobs: int, threads: int) -> None:
    assert x264_threads(cores, jobs) == threads


@pytest.mark.parametrize("preset", ["superfast", "veryfast", "faster"])
def test_x264_passes_the_trial(preset: Literal["superfast", "veryfast", "faster"]) -> None:
    try_out(EncoderSettings(preset=preset))


@pytest.mark.parametrize(
    "encoder",
    [
        Odd(threads=2),
        Odd(other={"rc-lookahead": "5"}),
        Odd(other={"bf": "2"}),
        Odd(other={"g": "24", "keyint_min": "24"}),
        Odd(other={"g": "250", "keyint_min": "250"}),
    ],
)
def test_an_encoder_that_breaks_the_contract_is_refused(encoder: Odd) -> None:
    with pytest.raises(EncoderRefused, match="libx264 holds pictures back, reorders them or sets its keyframes"):
        try_out(encoder)


@pytest.mark.parametrize("codec", ["h264_v4l2m2m", "no_such_encoder"])
def test_an_encoder_that_is_not_there_is_refused(codec: str) -> None:
    with pytest.raises(EncoderRefused, match=codec):
        try_out(Odd(codec=codec))


def test_values_of_nvencs_options_are_ones_it_knows() -> None:
    """FFmpeg reads them before it looks for a driver, and calls those it doesn't know an invalid argument."""
    assert "Invalid argument" in refusal_of(Odd(codec="h264_nvenc", other={"preset": "p8"}))
    assert "Invalid argument" not in refusal_of(NvencSettings(instead=EncoderSettings()))


def test_nvenc_is_asked_for_what_x264_is_asked_for() -> None:
    options = NvencSettings(instead=EncoderSettings()).options()
    assert {options["g"], EncoderSettings().options()["g"]} == {str(FRAME_RATE)}
    assert (options["bf"], options["delay"], options["zerolatency"]) == ("0", "0", "1")


def test_a_video_that_is_refused_is_made_by_what_stands_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "video.mp4"
    with made(path, Odd(codec="h264_v4l2m2m", instead=EncoderSettings())) as writer:
        assert writer.encoder == EncoderSettings()
        writer.write_frame(I420(np.full((SIDE * 3 // 2, SIDE), 128, np.uint8)))
    with av.open(str(path)) as file:
        assert file.streams.video[0].frames == 1
    assert "A video is encoded with libx264: h264_v4l2m2m doesn't open" in caplog.text


def test_a_video_that_is_taken_is_made_by_whom_it_was_meant_for(tmp_path: Path) -> None:
    encoder = Odd(instead=EncoderSettings())
    writer = made(tmp_path / "video.mp4", encoder)
    assert writer.encoder is encoder
    writer.abort()


def test_where_nothing_stands_in_the_refusal_is_raised_and_no_file_is_left(tmp_path: Path) -> None:
    encoder = replace(Odd(), codec="h264_v4l2m2m")
    with pytest.raises(EncoderRefused):
        made(tmp_path / "video.mp4", encoder)
    assert list(tmp_path.iterdir()) == []
