"""One file out of a multipart/form-data body, piece by piece as the body arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from enum import Enum, auto

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from engine.errors import InvalidInput

_WANTED = 'Send the file as multipart/form-data in the field `file`, as in `curl -F "file=@avatar.mp4"`.'
_MOST_HEADER_BYTES = 4096
_MOST_CHARACTERS = 1024


class _Place(Enum):
    """Where in the body the parser is."""

    OUTSIDE = auto()
    OTHER_PART = auto()
    TEXT = auto()
    FILE = auto()
    DONE = auto()


class FilePart:
    """The part of the body with the field's name. Other parts are read over, but for short texts.

    texts: what the fields called ``names`` hold, as far as they have come.
    """

    def __init__(self, boundary: bytes, field: str, names: Sequence[str] = ()) -> None:
        self.texts: dict[str, str] = {}
        self._names = {name.encode(): name for name in names}
        self._text = ""
        self._field = field.encode()
        self._place = _Place.OUTSIDE
        self._found = 0
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._pieces: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._on_end,
                "on_end": self._finish,
            },
            max_header_size=_MOST_HEADER_BYTES,
        )

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The file's pieces in ``data``. Raises InvalidInput when the body is no multipart/form-data."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise InvalidInput(f"The body is not multipart/form-data. {_WANTED}") from None
        pieces, self._pieces = self._pieces, []
        yield from pieces

    def demand_whole(self) -> None:
        """The body has ended. Raises InvalidInput unless it held the file, once and to its end."""
        if self._place is not _Place.DONE:
            raise InvalidInput("The upload ended too early. Send the file again.")
        if self._found != 1:
            raise InvalidInput(f"{'No file came' if not self._found else 'More than one file came'}. {_WANTED}")

    def _begin(self) -> None:
        self._place, self._disposition = _Place.OTHER_PART, b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        if name == self._field and b"filename" in options:
            self._place = _Place.FILE
            self._found += 1
        elif name in self._names and b"filename" not in options:
            self._place, self._text = _Place.TEXT, self._names[name]
            self.texts[self._text] = ""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._place is _Place.FILE and self._found == 1:
            self._pieces.append(data[start:end])
        elif self._place is _Place.TEXT:
            held = self.texts[self._text] + data[start:end].decode(errors="replace")
            self.texts[self._text] = held[:_MOST_CHARACTERS]

    def _on_end(self) -> None:
        self._place = _Place.OUTSIDE

    def _finish(self) -> None:
        self._place = _Place.DONE


def boundary_of(request: Request) -> bytes:
    """Raises InvalidInput when the body isn't announced as multipart/form-data."""
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if content_type != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise InvalidInput(f"The body is not multipart/form-data. {_WANTED}")
    return boundary


async def file_pieces(body: AsyncIterator[bytes], part: FilePart) -> AsyncIterator[bytes]:
    """The file in the ``body``'s ``part``. Raises InvalidInput, at the end where the body is incomplete."""
    async for data in body:
        for piece in part.feed(data):
            yield piece
    part.demand_whole()
