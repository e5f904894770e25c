"""`ChallengeType`: what the ways to prove a name are called."""

from enum import StrEnum


class ChallengeType(StrEnum):
    """Types of challenges that the agent can answer, the cheapest first."""

    HTTP_01 = "http-01"
    """RFC 8555 section 8.3."""
    DNS_PERSIST_01 = "dns-persist-01"
    """draft-ietf-acme-dns-persist."""
    DNS_01 = "dns-01"
    """RFC 8555 section 8.4."""
    TLS_ALPN_01 = "tls-alpn-01"
    """RFC 8737."""


CONNECTING = frozenset({ChallengeType.HTTP_01, ChallengeType.TLS_ALPN_01})
"""Those for which a CA connects to where a name points to; no wildcard can be proved so."""
