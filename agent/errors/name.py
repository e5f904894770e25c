"""A text that is neither a DNS name nor an IP address."""

from __future__ import annotations

from agent.errors.base import AgentError


class NameInvalid(AgentError, ValueError):
    """Raised by `parse_name`; also a `ValueError`, so that validators of settings can let it pass."""

    code = "name.invalid"
    cause = "{text:quoted} is not a name for a chain: {reason}."
    fix = "Write a host name (gw.example.test), a wildcard (*.example.test) or an IP address (192.0.2.1, 2001:db8::1)."
    text: str
    reason: str
