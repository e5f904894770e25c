"""What goes wrong while somebody is asked over IKE."""

from __future__ import annotations


class IkeFailure(Exception):
    """No proof came. Its text is a clause, without a full stop."""


class Malformed(IkeFailure):
    """What came is not as RFC 7296 wants it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"its answer is malformed: {what}")
