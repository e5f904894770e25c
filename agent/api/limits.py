"""How much of everything one may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Octets, seconds and numbers; the defaults are those of an appliance."""

    content_octets: int = 2 * 1024 * 1024
    content_seconds: float = 30.0
    """For the whole content of a request to come."""
    headers_octets: int = 16 * 1024
    """Of a request's first line and headers."""
    headers_seconds: float = 10.0
    """For them to come."""
    connections: int = 200
    lock_seconds: float = 20.0
    """A change waits so long for the agent's lock."""
    stream_seconds: float = 600.0
    """So long the steps of a job are told; whoever looks on then asks for the rest."""
    idle_seconds: float = 60.0
    """Without a connection and without a job the process ends after so long."""
