"""IP addresses of this machine, from the kernel (rtnetlink(7)). Cheap to import."""

from __future__ import annotations

import socket
import struct

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
    found = set()
    for answer in dump(socket.NETLINK_ROUTE, GET_ADDRESSES, ADDRESS.pack(0, 0, 0, 0, 0)):
        if not ADDRESS.unpack_from(answer)[2] & unusable:
            known = attributes(answer[ADDRESS.size :])
            found.add(known.get(LOCAL) or known[PEER])
    return found


def own_addresses(unusable: int = 0) -> tuple[str, ...]:
    """Return the addresses of all interfaces without these flags but link-local ones, sorted, IPv4 first; canonical.

    Raises OSError.
    """
    import ipaddress

    found = [ipaddress.ip_address(each) for each in packed_addresses(unusable)]
    kept = [address for address in found if not address.is_link_local]
    return tuple(str(address) for address in sorted(kept, key=lambda each: (each.version, int(each))))
