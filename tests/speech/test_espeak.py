"""The keyless voice: real speech from the real library."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise

import numpy as np
import pytest

from engine.cancel import Cancelled, CancelToken
from engine.errors import InvalidText
from engine.speech.espeak import GEORGE, SPEAKERS, EspeakVoice
from engine.speech.voice import Samples, SpeechPiece, SpeechRequest, VoiceSettings, Word

FOX = "The quick brown fox jumps over the lazy dog, and then it rests for a while in the sun."
MEN = ("JBFqnCBsd6RMkjVDRZzb", "ErXwobaYiN019PkySvjV")


def pieces(text: str, voice_id: str | None = None, speed: float | None = None) -> list[SpeechPiece]:
    request = SpeechRequest(text, voice_id=voice_id, settings=VoiceSettings(speed=speed))
    return list(EspeakVoice().speak(request, CancelToken()).pieces)


def sound(text: str, voice_id: str | None = None, speed: float | None = None) -> Samples:
    return np.concatenate([piece.samples for piece in pieces(text, voice_id, speed)])


def words(text: str) -> list[Word]:
    return [word for piece in pieces(text) for word in piece.words]


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def pitch(samples: Samples) -> float:
    """The median fundamental frequency in Hz, by autocorrelation of the voiced stretches."""
    found = []
    for start in range(0, samples.size - 4_096, 4_096):
        stretch = samples[start : start + 4_096].astype(float)
        spectrum = np.abs(np.fft.rfft(stretch, 8_192)) ** 2
        correlation = np.fft.irfft(spectrum)[:4_096]
        lag = 120 + int(np.argmax(correlation[120:700]))
        if stretch.std() > 1_000 and correlation[lag] > 0.4 * correlation[0]:
            found.append(48_000 / lag)
    return float(np.median(found))


def band_levels(samples: Samples) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The long-term spectrum in dB in 24 bands from 100 Hz to 8 kHz."""
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    edges = np.geomspace(100, 8_000, 25) * samples.size / 48_000
    levels = [10 * np.log10(power[int(low) : int(high)].mean()) for low, high in pairwise(edges)]
    return np.asarray(np.array(levels) - np.mean(levels), np.float64)


def same_voice(one: Samples, other: Samples) -> bool:
    """Whether two sounds of one text are one voice's: espeak's breath noise differs a little every time."""
    return float(np.abs(band_levels(one) - band_levels(other)).mean()) < 0.6


@pytest.fixture(scope="module")
def speakers() -> dict[str, Samples]:
    return {voice_id: sound(FOX, voice_id) for voice_id in SPEAKERS}


def test_men_are_low_and_women_are_high(speakers: dict[str, Samples]) -> None:
    for voice_id, samples in speakers.items():
        assert (pitch(samples) < 140) == (voice_id in MEN)
        assert (pitch(samples) > 160) == (voice_id not in MEN)


def test_every_two_speakers_differ_in_pitch_and_spectrum(speakers: dict[str, Samples]) -> None:
    assert len(speakers) == 5
    for one, other in combinations(speakers.values(), 2):
        apart_in_semitones = abs(12 * np.log2(pitch(one) / pitch(other)))
        apart_in_decibels = float(np.abs(band_levels(one) - band_levels(other)).mean())
        assert apart_in_decibels > 1.5
        assert apart_in_semitones > 0.7


def test_sound_neither_clips_nor_clicks(speakers: dict[str, Samples]) -> None:
    for samples in speakers.values():
        assert 8_000 < np.abs(samples.astype(int)).max() < 31_000
        assert np.abs(samples[[0, -1]].astype(int)).max() <= 20
        assert np.abs(samples[:48].astype(int)).max() < 1_500
        assert np.abs(samples[-48:].astype(int)).max() < 1_500


def test_who_spoke_is_told() -> None:
    voice = EspeakVoice()

    def used(voice_id: str | None) -> str:
        return voice.speak(SpeechRequest("Hi", voice_id=voice_id), CancelToken()).voice_used

    assert used("21m00Tcm4TlvDq8ikWAM") == "espeak:en-us+f3 (Rachel)"
    assert used(None) == used("my-own-clone") == SPEAKERS[GEORGE].label


def test_an_unknown_id_is_spoken_by_the_default_speaker(speakers: dict[str, Samples]) -> None:
    assert same_voice(sound(FOX, "my-own-clone"), speakers[GEORGE])
    assert not same_voice(sound(FOX, "my-own-clone"), speakers["21m00Tcm4TlvDq8ikWAM"])


def test_the_default_voice_can_be_another() -> None:
    utterance = EspeakVoice("AZnzlk1XvdvUeBnXmlld").speak(SpeechRequest("Hi"), CancelToken())
    assert utterance.voice_used == "espeak:en-us+f5 (Domi)"


def test_characters_are_those_spoken() -> None:
    assert EspeakVoice().speak(SpeechRequest("  Hallo.\n"), CancelToken()).characters == 6


def test_words_are_the_texts_own_with_their_punctuation() -> None:
    text = 'Ünïcödé “quoted”, in 2026 — pi is 3.14! Is one of the best 😀 "easy"? Ja.'
    assert " ".join(word.text for word in words(text)).split() == text.split()
    assert "2026 —" in [word.text for word in words(text)]


def test_word_times_are_ordered_and_within_the_sound() -> None:
    made = pieces(f"{FOX} In 2026, it will be so. Really? Yes.")
    spoken = [word for piece in made for word in piece.words]
    times = [time for word in spoken for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= sum(piece.samples.size for piece in made) / 48_000
    assert all(word.end - word.start > 0.03 for word in spoken)


def test_the_sound_is_silent_between_sentences_and_loud_in_words() -> None:
    text = "Good evening everybody. Tomorrow brings sunshine."
    made = pieces(text)
    samples = np.concatenate([piece.samples for piece in made])
    spoken = [word for piece in made for word in piece.words]
    pause = samples[round(spoken[2].end * 48_000) + 480 : round(spoken[3].start * 48_000) - 480]
    assert 0.25 < pause.size / 48_000 < 0.5
    assert loudness(pause) < 30
    for word in spoken:
        assert loudness(samples[round(word.start * 48_000) : round(word.end * 48_000)]) > 500


def test_a_number_read_as_many_words_is_one_word() -> None:
    (number,) = [word for word in words("The year 2026 begins.") if word.text == "2026"]
    assert number.end - number.start > 0.8


def test_words_after_multibyte_text_are_in_time() -> None:
    plain, accented = words("cafe cafe cafe stop"), words("café 😀 café café stop")
    assert accented[-1].text == "stop"
    assert abs((accented[-1].end - accented[-1].start) - (plain[-1].end - plain[-1].start)) < 0.05


def test_speed_changes_the_length() -> None:
    slow, usual, fast = (sound(FOX, speed=speed).size for speed in (0.7, None, 1.2))
    assert slow > 1.2 * usual
    assert fast < 0.92 * usual


@pytest.mark.parametrize("text", ["你好，世界。", "Привет, мир", "สวัสดี", "שלום", "مرحبا بالعالم", "こんにちは", "𐍈𐌰"])
def test_other_scripts_are_heard(text: str) -> None:
    assert loudness(sound(text)) > 300


@pytest.mark.parametrize("text", ["a" * 3_000, "<break time='9s'/> [[h@l'oU]] &amp; \\n", "a.b.c.d " * 50])
def test_odd_texts_are_spoken(text: str) -> None:
    assert sound(text).size > 20_000


@pytest.mark.parametrize("text", ["", "...", "\x01s50 hello"])
def test_what_cannot_be_spoken_is_refused_at_once(text: str) -> None:
    with pytest.raises(InvalidText):
        EspeakVoice().speak(SpeechRequest(text), CancelToken())


def test_ten_minutes_come_in_small_pieces() -> None:
    longest, total = 0, 0
    for piece in EspeakVoice().speak(SpeechRequest(f"{FOX} " * 125), CancelToken()).pieces:
        longest, total = max(longest, piece.samples.size), total + piece.samples.size
    assert total > 600 * 48_000
    assert longest < 10 * 48_000


def test_jobs_at_once_do_not_disturb_each_other(speakers: dict[str, Samples]) -> None:
    with ThreadPoolExecutor(5) as pool:
        together = list(pool.map(lambda voice_id: pieces(f"{FOX} {FOX} {FOX}", voice_id), SPEAKERS))
    for made, alone in zip(together, speakers.values(), strict=True):
        assert same_voice(made[0].samples, alone)
        assert same_voice(made[2].samples, alone)


def test_a_cancelled_job_stops_soon_and_the_next_one_speaks() -> None:
    cancel = CancelToken()
    utterance = EspeakVoice().speak(SpeechRequest(f"{FOX} " * 2_000), cancel)
    timer = threading.Timer(0.1, cancel.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        for _ in utterance.pieces:
            pass
    assert time.monotonic() - started < 2
    assert sound("Hello.").size > 10_000
