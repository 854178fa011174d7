"""The voice that needs no account: espeak-ng in this process.

Of the caller's settings ``speed`` is followed; stability, similarity_boost, style, use_speaker_boost and the model
are ElevenLabs' and mean nothing to espeak. Every text is spoken as English; scripts that English has no rules for
are spelled out. Two runs differ by some samples, because the library's noise and flutter go on from where they were.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np

from engine.cancel import CancelToken
from engine.errors import InvalidText
from engine.speech.espeak_library import EspeakLibrary, Manner, SpokenSentence, espeak_library
from engine.speech.fades import faded_in, faded_out
from engine.speech.pieces import PieceStream
from engine.speech.sentences import split_sentences
from engine.speech.text import speakable_text
from engine.speech.voice import Samples, SpeechPiece, SpeechRequest, Utterance, Word
from engine.speech.word_times import words_from_marks

_LONGEST_SENTENCE = 300
_USUAL_WORDS_PER_MINUTE = 165
_SENTENCE_PAUSE = 0.35
_CLAUSE_PAUSE = 0.12
_FADE_SECONDS = 0.005
_SILENT_LEVEL = 60
_SENTENCE_ENDS = frozenset(".!?…。！？")
_CLOSERS = "\"'”’)]»」』） "


@dataclass(frozen=True)
class EspeakSpeaker:
    """One of the voices that callers know by ElevenLabs' ids."""

    name: str
    manner: Manner

    @property
    def label(self) -> str:
        return f"espeak:{self.manner.voice} ({self.name})"


def _speaker(name: str, voice: str, pitch: int) -> EspeakSpeaker:
    return EspeakSpeaker(name, Manner(voice, _USUAL_WORDS_PER_MINUTE, pitch))


GEORGE = "JBFqnCBsd6RMkjVDRZzb"
SPEAKERS = {
    GEORGE: _speaker("George", "en+m3", 42),
    "21m00Tcm4TlvDq8ikWAM": _speaker("Rachel", "en-us+f3", 45),
    "AZnzlk1XvdvUeBnXmlld": _speaker("Domi", "en-us+f5", 62),
    "EXAVITQu4vr4xnSDxMaL": _speaker("Bella", "en-us+f2", 38),
    "ErXwobaYiN019PkySvjV": _speaker("Antoni", "en-us+m7", 58),
}


class EspeakVoice:
    """Speaks sentence by sentence, so memory doesn't grow with the text and several jobs take turns.

    An id that is not in SPEAKERS, the default one included, is spoken by George; ``Utterance.voice_used`` says who
    it was.
    """

    paid = False

    def __init__(self, default_voice_id: str = GEORGE) -> None:
        self._library = espeak_library()
        self._default_voice_id = default_voice_id

    def speak(self, request: SpeechRequest, cancel: CancelToken) -> Utterance:
        """Raises InvalidText for a text without anything to speak; the pieces raise Cancelled."""
        text = speakable_text(request.text)
        speaker = SPEAKERS.get(request.voice_id or self._default_voice_id, SPEAKERS[GEORGE])
        speed = request.settings.speed or 1.0
        manner = replace(speaker.manner, words_per_minute=round(speaker.manner.words_per_minute * speed))
        sentences = split_sentences(text, _LONGEST_SENTENCE)
        return Utterance(speaker.label, len(text), _spoken(self._library, sentences, manner, cancel))


def _spoken(
    library: EspeakLibrary, sentences: tuple[str, ...], manner: Manner, cancel: CancelToken
) -> Generator[SpeechPiece, None, None]:
    stream = PieceStream(library.rate)
    for index, sentence in enumerate(sentences):
        cancel.check()
        spoken = library.speak(_one_line(sentence), manner, lambda: cancel.cancelled)
        cancel.check()
        words = _audible_words(sentence, spoken, stream.seconds, library.rate)
        pause = _pause_after(sentence) if index + 1 < len(sentences) and spoken.samples.size else 0.0
        yield from stream.push(_paused(_faded(spoken.samples, library.rate), round(pause * library.rate)), words)
    if not stream.seconds:
        raise InvalidText("The voice finds nothing to speak in the text. Send words in another script.")
    yield from stream.finish()


def _one_line(sentence: str) -> str:
    """The sentence with every white space as one blank, at the same positions: espeak stops at a line's end."""
    return "".join(" " if character.isspace() else character for character in sentence)


def _pause_after(sentence: str) -> float:
    return _SENTENCE_PAUSE if sentence.rstrip(_CLOSERS)[-1:] in _SENTENCE_ENDS else _CLAUSE_PAUSE


def _faded(samples: Samples, rate: int) -> Samples:
    """The sound led in from zero and out to zero, so that neither end clicks."""
    length = min(round(_FADE_SECONDS * rate), samples.size // 2)
    end = samples.size - length
    return np.concatenate([faded_in(samples[:length]), samples[length:end], faded_out(samples[end:])])


def _paused(samples: Samples, pause: int) -> Samples:
    return np.concatenate([samples, np.zeros(pause, np.int16)])


def _audible_words(sentence: str, spoken: SpokenSentence, offset: float, rate: int) -> tuple[Word, ...]:
    """The sentence's words in the whole sound's time, each ended where it falls silent."""
    words = words_from_marks(sentence, spoken.marks, spoken.samples.size / rate)
    return tuple(
        Word(word.text, offset + word.start, offset + _last_sound(word, spoken.samples, rate)) for word in words
    )


def _last_sound(word: Word, samples: Samples, rate: int) -> float:
    start, end = round(word.start * rate), round(word.end * rate)
    loud = np.flatnonzero(np.abs(samples[start:end].astype(np.int32)) > _SILENT_LEVEL)
    return min(word.end, (start + int(loud[-1]) + 1) / rate) if loud.size else word.end
