"""What can go wrong while weights are fetched and packed, each with the exit code that the command ends with.

- FetchError
  - SourceFailed        1: a source has no such file, other bytes, or kept failing
    - AccessRefused     4: a source wants an account that may read the file
  - FolderFailed        3: the folder can't be written or is too small
  - PackFailed          5: what was fetched can't be packed

A message is a sentence for the operator that says what to do; it never holds a token or a signed address.
"""

from __future__ import annotations

from typing import ClassVar


class FetchError(Exception):
    """The weights are not all there."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SourceFailed(FetchError):
    """One source can't give the file, and asking it again won't help."""


class AccessRefused(SourceFailed):
    """The source knows the file and doesn't give it to us."""

    exit_code = 4


class FolderFailed(FetchError):
    """The files can't be put where they were asked for."""

    exit_code = 3


class PackFailed(FetchError):
    """The files are there, and can't be made into what the worker loads."""

    exit_code = 5
