"""IP addresses of this machine, from the kernel (rtnetlink(7)). Cheap to import."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")
"""``struct nlmsghdr``: length, type, flags, sequence, port."""
ADDRESS = struct.Struct("=BBBBI")
"""``struct ifaddrmsg``: family, prefix length, flags, scope, interface."""
ATTRIBUTE = struct.Struct("=HH")
"""``struct rtattr``: length, type."""
GET_ADDRESSES, NEW_ADDRESS, ERROR, DONE = 22, 20, 2, 3
DUMP = 0x301
"""NLM_F_REQUEST and NLM_F_DUMP."""
PEER, LOCAL = 1, 2
"""IFA_ADDRESS is the other end of a point-to-point link; IFA_LOCAL, where it is there, is ours."""
LARGEST = 1 << 16


def packed_addresses() -> set[bytes]:
    """Return every address of every interface: 4 bytes for IPv4, 16 for IPv6. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        length = HEADER.size + ADDRESS.size
        kernel.send(HEADER.pack(length, GET_ADDRESSES, DUMP, 1, 0) + ADDRESS.pack(0, 0, 0, 0, 0))
        found: set[bytes] = set()
        while True:
            for kind, body in _messages(kernel.recv(LARGEST)):
                if kind == DONE:
                    return found
                if kind == ERROR:
                    raise OSError(-struct.unpack_from("=i", body)[0], "the kernel does not list its addresses")
                if kind == NEW_ADDRESS:
                    attributes = dict(_attributes(body[ADDRESS.size :]))
                    found.add(attributes.get(LOCAL) or attributes[PEER])


def own_addresses() -> tuple[str, ...]:
    """Return every address of every interface but link-local ones, sorted, IPv4 first; canonical. Raises OSError."""
    import ipaddress

    found = [ipaddress.ip_address(each) for each in packed_addresses()]
    kept = [address for address in found if not address.is_link_local]
    return tuple(str(address) for address in sorted(kept, key=lambda each: (each.version, int(each))))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind, *_ = HEADER.unpack_from(data)
        yield kind, data[HEADER.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind = ATTRIBUTE.unpack_from(data)
        yield kind, data[ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
