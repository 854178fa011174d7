from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.cancel import Cancelled, CancelToken
from engine.errors import AudioSilent, AudioTooLarge, AudioTooLong, AudioTooShort, AudioUnreadable
from engine.media.limits import SoundLimits
from engine.media.sound import DecodedSound, decode_sound
from engine.settings import Settings
from tests.media.made import SOUND_LIMITS, fill_sound, film, gray, recording, sound_track, tone


def heard(path: Path, limits: SoundLimits = SOUND_LIMITS) -> tuple[NDArray[np.int16], DecodedSound]:
    target = path.parent / "decoded.pcm"
    sound = decode_sound(path, target, limits, CancelToken())
    return np.fromfile(target, np.int16), sound


def pitch(samples: NDArray[np.int16]) -> float:
    """The strongest frequency, in hertz."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(power.argmax() * 48_000 / len(samples))


def test_limits_come_from_the_settings() -> None:
    limits = SoundLimits.of(Settings(max_audio_bytes=5, max_audio_seconds=6, decode_seconds=8))
    assert (limits.max_bytes, limits.max_seconds, limits.decode_seconds) == (5, 6, 8)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "container"),
    [
        ("a.wav", "pcm_s16le", 44_100, None),
        ("b.wav", "pcm_f32le", 8_000, None),
        ("a.mp3", "libmp3lame", 44_100, None),
        ("a.m4a", "aac", 22_050, "ipod"),
        ("a.aac", "aac", 48_000, "adts"),
        ("opus.ogg", "libopus", 48_000, None),
        ("a.flac", "flac", 96_000, None),
        ("a.webm", "libopus", 48_000, None),
    ],
)
def test_every_format_gives_the_same_tone(tmp_path: Path, name: str, codec: str, rate: int, container: str) -> None:
    path = recording(tmp_path / name, [tone(1.0, rate)], rate, codec, container)
    samples, sound = heard(path)
    assert sound.samples == len(samples)
    assert sound.seconds == pytest.approx(1.0, abs=0.06)
    assert pitch(samples) == pytest.approx(440, abs=2)
    assert -6.6 < sound.peak_dbfs < -2
    assert sound.rms_dbfs == pytest.approx(-9, abs=0.6)
    assert not sound.warnings


def test_vorbis_is_read(tmp_path: Path) -> None:
    samples, sound = heard(recording(tmp_path / "a.ogg", [tone(1.0)] * 2, 48_000, "vorbis"))
    assert sound.codec == "vorbis"
    assert pitch(samples) == pytest.approx(440, abs=2)


def test_channels_are_averaged(tmp_path: Path) -> None:
    loud, quiet = np.full(24_000, 0.5, np.float32), np.full(24_000, -0.1, np.float32)
    samples, _ = heard(recording(tmp_path / "a.wav", [loud, quiet], 48_000, "pcm_s16le"))
    assert int(np.median(samples)) == pytest.approx(0.2 * 32_768, abs=2)
    levels = [0.6, 0, 0, 0, 0, 0]
    six = [np.full(24_000, level, np.float32) for level in levels]
    samples, _ = heard(recording(tmp_path / "b.wav", six, 48_000, "pcm_s16le"))
    assert int(np.median(samples)) == pytest.approx(0.1 * 32_768, abs=2)


def test_what_is_louder_than_full_scale_is_clipped(tmp_path: Path) -> None:
    samples, sound = heard(recording(tmp_path / "a.wav", [tone(0.5, level=1.5)], 48_000, "pcm_f32le"))
    assert (samples.max(), samples.min()) == (32_767, -32_768)
    assert sound.peak_dbfs == 0


def test_frequencies_above_half_the_rate_are_not_folded_back(tmp_path: Path) -> None:
    faded = tone(0.5, 96_000, 0.5, 30_000) * np.hanning(48_000).astype(np.float32)
    path = recording(tmp_path / "a.wav", [faded], 96_000, "pcm_s16le")
    with pytest.raises(AudioSilent):
        heard(path)


def test_a_wav_of_48_khz_passes_bit_by_bit(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav", [tone(0.5)], 48_000, "pcm_s16le")
    samples, _ = heard(path)
    assert samples.tobytes() in path.read_bytes()
    assert len(samples) == 24_000


def test_a_videos_sound_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        track = sound_track(output, 2, 48_000, "aac")
        frame = gray(90)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
        fill_sound(output, track, np.stack([tone(0.5)] * 2))
    samples, sound = heard(path)
    assert pitch(samples) == pytest.approx(440, abs=3)
    assert sound.codec == "aac"


def test_a_silent_film_holds_no_sound(tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadable, match="holds no sound"):
        heard(film(tmp_path / "clip.mp4", [gray(90)] * 5))


def test_a_codec_that_nobody_knows_is_unsupported(tmp_path: Path) -> None:
    path = recording(tmp_path / "voice.wav", [tone(0.5)], 8_000, "pcm_s16le")
    path.write_bytes(path.read_bytes().replace(b"fmt \x10\0\0\0\x01\0", b"fmt \x10\0\0\0\x99\x99"))
    with pytest.raises(AudioUnreadable, match="unsupported kind"):
        heard(path)


def test_a_rate_that_no_recorder_has_is_unsupported(tmp_path: Path) -> None:
    path = recording(tmp_path / "voice.wav", [tone(0.5)], 8_000, "pcm_s16le")
    rate = (8_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(rate, (536_879_936).to_bytes(4, "little"), 1))
    with pytest.raises(AudioUnreadable, match="unsupported kind"):
        heard(path)


def test_a_title_that_is_not_in_utf_8_is_no_hindrance(tmp_path: Path) -> None:
    """As old recorders write it, in Latin-1."""
    title = struct.pack("<4sI4s4sI", b"LIST", 18, b"INFO", b"INAM", 6) + "Prénom".encode("latin-1")
    path = recording(tmp_path / "voice.wav", [tone(0.5, 8_000)], 8_000, "pcm_s16le")
    path.write_bytes(path.read_bytes() + title)
    samples, _ = heard(path)
    assert len(samples) == 24_000


@pytest.mark.parametrize("content", [b"", b"not sound at all " * 40, b"RIFF\x24\0\0\0WAVEfmt "])
def test_what_is_not_sound_is_unreadable_and_leaves_no_target(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(content)
    with pytest.raises(AudioUnreadable) as caught:
        heard(path)
    assert str(tmp_path) not in caught.value.message
    assert not (tmp_path / "decoded.pcm").exists()


def test_too_short_too_silent_too_long_too_large(tmp_path: Path) -> None:
    def wav(samples: NDArray[np.float32]) -> Path:
        return recording(tmp_path / "a.wav", [samples], 48_000, "pcm_s16le")

    with pytest.raises(AudioTooShort, match=r"is 0\.09 seconds long"):
        heard(wav(tone(0.09)))
    with pytest.raises(AudioTooShort, match=r"is 0\.09 seconds long"):
        heard(wav(tone(0.0999)))
    with pytest.raises(AudioSilent):
        heard(wav(tone(1, level=0.0009)))
    assert not (tmp_path / "decoded.pcm").exists()
    heard(wav(tone(1, level=0.0015)))
    heard(wav(tone(0.11)))
    with pytest.raises(AudioTooLong, match="limit is 1"):
        heard(wav(tone(2)), replace(SOUND_LIMITS, max_seconds=1))
    heard(wav(tone(2)), replace(SOUND_LIMITS, max_seconds=2))
    with pytest.raises(AudioTooLarge):
        heard(wav(tone(2)), replace(SOUND_LIMITS, max_bytes=1000))


def test_a_wav_without_samples_is_too_short(tmp_path: Path) -> None:
    whole = recording(tmp_path / "whole.wav", [tone(0.5)], 48_000, "pcm_s16le").read_bytes()
    path = tmp_path / "empty.wav"
    path.write_bytes(whole[: whole.index(b"data") + 4] + bytes(4))
    with pytest.raises(AudioTooShort):
        heard(path)


def test_a_length_that_no_header_tells_is_limited_all_the_same(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.aac", [tone(3)], 48_000, "aac", "adts")
    with pytest.raises(AudioTooLong):
        heard(path, replace(SOUND_LIMITS, max_seconds=1))


def test_a_recording_cut_short_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    whole = recording(tmp_path / "whole.mka", [tone(4)], 48_000, "libopus", "matroska").read_bytes()
    path = tmp_path / "cut.mka"
    path.write_bytes(whole[: len(whole) // 2])
    samples, sound = heard(path)
    assert 48_000 < len(samples) < 144_000
    assert any("ends earlier" in warning for warning in sound.warnings)


def test_a_damaged_mp3_is_stepped_over(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.mp3", [tone(3)], 48_000, "libmp3lame")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 500] = b"\xff" * 500
    path.write_bytes(data)
    _, sound = heard(path)
    assert sound.seconds > 2.5
    assert any("damaged" in warning for warning in sound.warnings)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_wav_cut_short_says_so(tmp_path: Path, share: float) -> None:
    data = recording(tmp_path / "whole.wav", [tone(1)], 48_000, "pcm_s16le").read_bytes()
    path = tmp_path / "cut.wav"
    path.write_bytes(data[: round(len(data) * share)])
    _, sound = heard(path)
    assert sound.seconds == pytest.approx(share, abs=0.01)
    assert any("ends earlier" in warning for warning in sound.warnings)


@pytest.mark.parametrize("size", [0, 0x7FFF_F000, 0xFFFF_FFFF], ids=hex)
def test_a_wav_whose_writer_could_not_know_its_length_is_whole(tmp_path: Path, size: int) -> None:
    path = recording(tmp_path / "a.wav", [tone(1)], 48_000, "pcm_s16le")
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[4:8] = data[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(data)
    _, sound = heard(path)
    assert (sound.seconds, sound.warnings) == (1.0, ())


def test_a_wav_without_sound_data_is_not_searched_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 1000)
    with pytest.raises(AudioUnreadable):
        heard(path)


def test_a_cancelled_job_stops(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav", [tone(1)], 48_000, "pcm_s16le")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        decode_sound(path, tmp_path / "decoded.pcm", SOUND_LIMITS, cancel)
    assert not (tmp_path / "decoded.pcm").exists()
