"""What a deployment can fail with: sentences for whoever runs it."""

from __future__ import annotations


class DeployError(Exception):
    """``message`` says what was wrong and what to do, and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
