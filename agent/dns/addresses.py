"""Addresses that others tell, at which servers are asked. Pure.

The owner of a zone says where its servers are, and so what this machine sends questions to.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

EVERYBODY = ip_address("255.255.255.255")


def is_of_one(address: str) -> bool:
    """Whether an address can be that of a server, and not of many machines or of any."""
    found = _plain(address)
    return not (found.is_unspecified or found.is_multicast or found == EVERYBODY)


def is_of_another(address: str) -> bool:
    """Whether it can be that of another machine, not of this one or of one at the same cable."""
    found = _plain(address)
    return is_of_one(address) and not (found.is_loopback or found.is_link_local)


def _plain(address: str) -> IPv4Address | IPv6Address:
    found = ip_address(address)
    return getattr(found, "ipv4_mapped", None) or found
