"""Limits of the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Octets, seconds and numbers; the defaults are those of an appliance."""

    content_octets: int = 2 * 1024 * 1024
    """Of a form with files."""
    json_octets: int = 64 * 1024
    """Of any other content."""
    anonymous_octets: int = 8 * 1024
    """Of a content that anybody may send."""
    contents_octets: int = 16 * 1024 * 1024
    """Of all requests at a time."""
    content_seconds: float = 30.0
    """For the whole content of a request to come."""
    headers_octets: int = 16 * 1024
    """Of a request's first line and headers."""
    headers_seconds: float = 10.0
    """For them to come."""
    connections: int = 200
    lock_seconds: float = 20.0
    """For the agent's lock, before a change."""
    stream_seconds: float = 600.0
    """For the steps of a job; a client asks for the rest then."""
    idle_seconds: float = 60.0
    """Without a connection and without a job, after which the process ends."""
