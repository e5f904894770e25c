"""`ChallengeType`: what the ways to prove a name are called."""

from enum import StrEnum


class ChallengeType(StrEnum):
    """Types of challenges that the agent can answer, the cheapest first."""

    HTTP_01 = "http-01"
    """RFC 8555 section 8.3."""
