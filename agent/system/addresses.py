"""IP addresses of this machine, from the kernel (rtnetlink(7)). Cheap to import."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

from agent.system.netlink import attributes, dump

ADDRESS = struct.Struct("=BBBBI")
"""``struct ifaddrmsg``: family, prefix length, flags, scope, interface."""
GET_ADDRESSES = 22
PEER, LOCAL = 1, 2
"""IFA_ADDRESS is the other end of a point-to-point link; IFA_LOCAL, where it is there, is ours."""
UNUSABLE = 0x48
"""IFA_F_DADFAILED, another machine has the address; IFA_F_TENTATIVE, it isn't known yet whether one has."""


def packed_addresses(unusable: int = 0) -> set[bytes]:
    """Return the addresses of all interfaces without these flags: 4 bytes for IPv4, 16 for IPv6. Raises OSError."""
    return {address for _, address in _rows(unusable)}


def _rows(unusable: int) -> Iterator[tuple[int, bytes]]:
    """Yield each address without these flags, after the number of its interface."""
    for answer in dump(socket.NETLINK_ROUTE, GET_ADDRESSES, ADDRESS.pack(0, 0, 0, 0, 0)):
        *_, flags, _scope, interface = ADDRESS.unpack_from(answer)
        if not flags & unusable:
            known = attributes(answer[ADDRESS.size :])
            yield interface, known.get(LOCAL) or known[PEER]


def own_addresses(unusable: int = 0) -> tuple[str, ...]:
    """Return the addresses of all interfaces without these flags but link-local ones, sorted, IPv4 first; canonical.

    Raises OSError.
    """
    return _listed(packed_addresses(unusable))


def addresses_by_interface(unusable: int = 0) -> dict[str, tuple[str, ...]]:
    """Return the addresses of each interface, as `own_addresses` does of all. Raises OSError."""
    found: dict[str, set[bytes]] = {}
    for number, address in _rows(unusable):
        found.setdefault(socket.if_indextoname(number), set()).add(address)
    return {name: _listed(each) for name, each in found.items()}


def _listed(packed: Iterable[bytes]) -> tuple[str, ...]:
    import ipaddress

    found = [ipaddress.ip_address(each) for each in packed]
    kept = [address for address in found if not address.is_link_local]
    return tuple(str(address) for address in sorted(kept, key=lambda each: (each.version, int(each))))
