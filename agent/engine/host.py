"""Name and addresses of this machine."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from agent.model.need import HostFacts
from agent.system.addresses import own_addresses

FALLBACK_NAME = "gateway"
"""A machine without a usable name."""


def read_host(name: str | None = None, addresses: Sequence[str] | None = None) -> HostFacts:
    """Return the host's facts; `name` and `addresses` replace what the system says."""
    return HostFacts(name or host_name(), tuple(addresses) if addresses is not None else own_addresses())


def host_name() -> str:
    """Return the system's host name, canonical."""
    from agent.system.names import parse_name

    try:
        return parse_name(socket.gethostname())
    except ValueError:
        return FALLBACK_NAME
