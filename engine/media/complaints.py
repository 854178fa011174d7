"""What was wrong with a caller's file, in sentences for the caller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.media.child import ChildFailed, ChildRefused
from engine.media.limits import FileLimits
from engine.media.wire import Flaw, Reason, Verdict


@dataclass(frozen=True)
class Complaints:
    """The sentences about one kind of file, and the errors that carry them.

    thing, file: what the sentences call it. simpler: what to send when it is too demanding. sentences: by reason, of
    which NOT_MEDIA stands for those that have none.
    """

    thing: str
    file: str
    simpler: str
    sentences: Mapping[Reason, str]
    unreadable: type[InputError]
    too_long: type[InputError]
    too_large: type[InputError]

    def check_size(self, path: Path, limits: FileLimits) -> None:
        """Raises ``too_large``, and OSError when the file isn't there."""
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise self.too_large(
                f"The {self.thing} has {size:,} bytes and the limit is {limits.max_bytes:,}: send a smaller file."
            )

    def warnings(self, flaws: Iterable[Flaw]) -> tuple[str, ...]:
        """What to tell of a file that could be read all the same."""
        sentences = {
            Flaw.ENDS_EARLY: f"The {self.file} ends earlier than it says: what could be read is used.",
            Flaw.DAMAGED: f"Parts of the {self.file} are damaged: they were left out.",
        }
        return tuple(sentences[flaw] for flaw in flaws)

    @contextmanager
    def told(self, limits: FileLimits) -> Iterator[None]:
        """Turn what the decoding process ended with in the block into one of the three errors."""
        try:
            yield
        except ChildRefused as refused:
            raise self._error(refused.verdict, limits) from None
        except ChildFailed as failed:
            raise self.unreadable(
                f"Decoding the {self.thing} failed or took too long: the file is damaged or too demanding. "
                f"Send {self.simpler}."
            ) from failed

    def _error(self, verdict: Verdict, limits: FileLimits) -> InputError:
        if verdict.reason is Reason.TOO_LONG:
            return self.too_long(
                f"The {self.thing} plays for {verdict.value:.0f} seconds or more and the limit is "
                f"{limits.max_seconds:g}: send a shorter one."
            )
        if verdict.reason is Reason.TOO_LARGE and limits.most_pixels:
            return self.too_large(
                f"The {self.thing}'s picture has more pixels than the limit of {limits.most_pixels:,}: "
                "send a smaller one."
            )
        return self.unreadable(self.sentences.get(verdict.reason, self.sentences[Reason.NOT_MEDIA]))
