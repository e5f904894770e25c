"""A text that is neither a DNS name nor an IP address."""

from __future__ import annotations

from agent.errors.problem import AgentError

SHOWN = 80
"""Characters of a refused text that are shown."""


class NameInvalid(AgentError, ValueError):
    """Raised by `parse_name`; also a `ValueError`, so that validators of settings can let it pass."""

    code = "name.invalid"

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(
            f"{quoted(text)} is not a name for a chain: {reason}.",
            fix="Write a host name (gw.example.test), a wildcard (*.example.test) or an IP address (192.0.2.1, 2001:db8::1).",
        )


def quoted(text: str) -> str:
    """Return `text` in quotes, shortened, with whatever could upset a terminal or a log escaped."""
    shown = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown) + '"'
