"""Which IP addresses belong to the Internet, and which to this machine and the networks around it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[IpAddress], bool]
"""Whether an address may be connected to."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that is reached. 64:ff9b:1::/48 is for local use (RFC 8215)."""


def anywhere(_address: IpAddress) -> bool:
    """Allow every address."""
    return True


def on_the_internet(address: IpAddress) -> bool:
    """Whether an address is globally reachable; one of NAT64 or 6to4: whether the IPv4 address inside is.

    Not so for loopback, link-local, private (RFC 1918, unique local), shared (100.64.0.0/10), multicast, unspecified, mapped,
    documentation and reserved addresses (IANA's special-purpose registries).
    """
    reached = _inside(address) or address
    special = reached.is_multicast or reached.is_reserved or getattr(reached, "is_site_local", False)
    mapped = getattr(reached, "ipv4_mapped", None)  # Python 3.13 says of these what it says of the address inside
    return reached.is_global and not special and mapped is None


def _inside(address: IpAddress) -> IpAddress | None:
    """Return the IPv4 address to which an IPv6 address leads; None: it leads to none."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address.sixtofour
