"""Name and addresses of this machine."""

from __future__ import annotations

import socket

from agent.config.settings import Settings
from agent.model.need import HostFacts
from agent.system.addresses import UNUSABLE, addresses_by_interface, own_addresses
from agent.system.names import parse_name

FALLBACK_NAME = "gateway"
"""A machine without a usable name."""


def read_host(settings: Settings) -> HostFacts:
    """Return the facts of this machine, as far as the settings don't say otherwise."""
    addresses = settings.addresses
    return HostFacts(
        name=settings.hostname or _name(),
        addresses=own_addresses() if addresses is None else tuple(addresses),
        wildcards=settings.wildcards,
    )


def usable_addresses() -> tuple[str, ...]:
    """Return the addresses at which this machine can be connected to from itself; none where the kernel doesn't tell."""
    try:
        return own_addresses(UNUSABLE)
    except OSError:
        return ()


def usable_by_interface() -> dict[str, tuple[str, ...]]:
    """Return the same by network interface."""
    try:
        return addresses_by_interface(UNUSABLE)
    except OSError:
        return {}


def _name() -> str:
    try:
        return parse_name(socket.gethostname())
    except ValueError:
        return FALLBACK_NAME
