"""The network of an address: what one customer is given, and can change his address in. Cheap to import."""

from __future__ import annotations

import ipaddress

NETWORK = {4: 32, 6: 64}
"""Bits: an IPv6 host may take any address of its /64 (RFC 7421, RFC 8981)."""
WIDER = {4: 24, 6: 48}
"""Bits that a site or a customer has at most as a rule (RFC 6177)."""


def network_of(address: str, bits: dict[int, int] = NETWORK) -> str:
    """Return the network of an address, or what is no address as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    network = ipaddress.ip_network((found, bits[found.version]), strict=False)
    return address if network.prefixlen == network.max_prefixlen else str(network)


def wider_network_of(address: str) -> str:
    """Return the network that an address shares with its neighbours."""
    return network_of(address, WIDER)


def is_near(address: str) -> bool:
    """Whether an address is of this machine or of a network that isn't the internet."""
    try:
        return not ipaddress.ip_address(address).is_global
    except ValueError:
        return True
