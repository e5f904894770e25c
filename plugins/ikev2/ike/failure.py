"""Failures of a dialogue over IKE."""

from __future__ import annotations


class IkeFailure(Exception):
    """Server that has not proved who it is. The text is a clause, without a full stop."""


class Malformed(IkeFailure):
    """Message that violates RFC 7296."""

    def __init__(self, what: str) -> None:
        super().__init__(f"its answer is malformed: {what}")
