"""A job run at a terminal: its result on stdout as JSON, its video and what goes with it in a folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from worker.sdk import Handler

OUTPUTS = {
    "video_url": "demo.mp4",
    "audio_url": "demo.mp3",
    "captions_url": "demo.vtt",
    "subtitles_url": "demo.srt",
    "thumbnail_url": "demo.jpg",
}
INTERRUPTED = 130
"""A shell's code for a program that Ctrl-C ended."""


class _Kept:
    """A handler that keeps its last answer, since the SDK takes keys out of what it is handed."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.answer: dict[str, Any] | None = None

    async def __call__(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = await self._handler(job)
        self.answer = dict(answer)
        return answer


def run(start: Callable[[Handler], None], handler: Handler, folder: Path, out: TextIO) -> int:
    """Let the SDK run its one local job, copy the outputs into ``folder``, print the answer on ``out``.

    ``start`` hands a handler to the SDK, whose own lines go to stderr. Returns the program's exit code.
    """
    kept = _Kept(handler)
    code = _exit_code(start, kept)
    if kept.answer is None:
        return code or INTERRUPTED
    for path in copy_outputs(kept.answer, folder):
        sys.stderr.write(f"{path}\n")
    sys.stderr.flush()
    out.write(json.dumps(kept.answer, indent=2) + "\n")
    out.flush()
    return code


def _exit_code(start: Callable[[Handler], None], handler: Handler) -> int:
    with redirect_stdout(sys.stderr):
        try:
            start(handler)
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except json.JSONDecodeError as error:
            sys.stderr.write(
                f"The job is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. "
                'In a text, write a quotation mark as \\" and a line end as \\n.\n'
            )
            return 1
    return 0


def copy_outputs(answer: Mapping[str, Any], folder: Path) -> list[Path]:
    """Copy each output that is a file of this machine to its name in ``folder``; the paths made."""
    made = []
    for key, name in OUTPUTS.items():
        source = Path(str(answer.get(key, "")))
        if source.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            made.append(Path(shutil.copyfile(source, folder / name)))
    return made
