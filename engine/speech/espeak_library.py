"""espeak-ng's C interface (speak_lib.h, version 1.52), through the library that espeakng-loader carries.

The library has one state for the whole process and is not safe to enter twice, so there is one of it here, behind a
lock that is held for one sentence at a time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import espeakng_loader
import numpy as np

from engine.errors import InternalError
from engine.speech.voice import Samples
from engine.speech.word_times import Mark

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_POSITION_IN_CHARACTERS = 1
_UTF8 = 1
_EVENT_LAST = 0
_EVENT_WORD = 1
_RATE = 1
_VOLUME = 2
_PITCH = 3

# At espeak's usual volume of 100 the loudest of its variants come within 1 % of the full scale.
_UNCLIPPED_VOLUME = 75


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Manner:
    """How espeak speaks: a voice's name with its variant, words a minute, and pitch from 0 to 100."""

    voice: str
    words_per_minute: int
    pitch: int


@dataclass(frozen=True)
class SpokenSentence:
    """Mono samples at the library's own rate, and where in the text its words begin."""

    samples: Samples
    marks: tuple[Mark, ...]


class EspeakLibrary:
    """The loaded library. ``rate`` is its samples a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data_folder = espeakng_loader.get_data_path().encode()
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data_folder, _DONT_EXIT)
        if self.rate <= 0:
            raise InternalError("The espeak-ng library could not find its data. Install espeakng-loader again.")

    def speak(self, sentence: str, manner: Manner, stopped: Callable[[], bool]) -> SpokenSentence:
        """Speak a sentence that holds no control characters; what ``stopped`` cuts short comes back as it is."""
        with self._lock:
            self._take_on(manner)
            return self._synthesise(sentence, stopped)

    def _take_on(self, manner: Manner) -> None:
        if self._library.espeak_SetVoiceByName(manner.voice.encode()) != 0:
            raise InternalError(f"espeak-ng has no voice named {manner.voice}.")
        parameters = {_RATE: manner.words_per_minute, _VOLUME: _UNCLIPPED_VOLUME, _PITCH: manner.pitch}
        for parameter, value in parameters.items():
            self._library.espeak_SetParameter(parameter, value, 0)

    def _synthesise(self, sentence: str, stopped: Callable[[], bool]) -> SpokenSentence:
        pieces: list[Samples] = [np.zeros(0, np.int16)]
        marks: list[Mark] = []

        def take(samples: Any, count: int, events: Any) -> int:
            if samples and count > 0:
                pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
            marks.extend(self._word_marks(events))
            return int(stopped())

        callback = _SynthCallback(take)
        self._library.espeak_SetSynthCallback(callback)
        encoded = sentence.encode()
        failed = self._library.espeak_Synth(
            ctypes.c_char_p(encoded),
            ctypes.c_size_t(len(encoded) + 1),
            0,
            _POSITION_IN_CHARACTERS,
            0,
            _UTF8,
            None,
            None,
        )
        if failed:
            raise InternalError(f"espeak-ng could not speak a sentence (its error {failed}).")
        return SpokenSentence(np.concatenate(pieces), tuple(marks))

    def _word_marks(self, events: Any) -> list[Mark]:
        marks = []
        index = 0
        while events[index].type != _EVENT_LAST:
            event = events[index]
            if event.type == _EVENT_WORD:
                marks.append(Mark(event.text_position - 1, event.sample / self.rate))
            index += 1
        return marks


@cache
def espeak_library() -> EspeakLibrary:
    """The process's one espeak-ng, loaded at the first call."""
    return EspeakLibrary()
