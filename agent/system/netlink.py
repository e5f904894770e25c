"""Dumps of what the kernel knows, over netlink(7). Cheap to import."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")
"""``struct nlmsghdr``: length, type, flags, sequence, port."""
ATTRIBUTE = struct.Struct("=HH")
"""``struct rtattr``: length, type."""
ERROR, DONE = 2, 3
DUMP = 0x301
"""NLM_F_REQUEST and NLM_F_DUMP."""
LARGEST = 1 << 16


def dump(protocol: int, question: int, body: bytes) -> list[bytes]:
    """Return the bodies of the messages that answer a question of a netlink protocol. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as kernel:
        kernel.bind((0, 0))
        kernel.send(HEADER.pack(HEADER.size + len(body), question, DUMP, 1, 0) + body)
        found: list[bytes] = []
        while True:
            for kind, answer in _messages(kernel.recv(LARGEST)):
                if kind == DONE:
                    return found
                if kind == ERROR:
                    raise OSError(-struct.unpack_from("=i", answer)[0], "the kernel does not answer")
                found.append(answer)


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes at the end of a message by their type."""
    found = {}
    while data:
        length, kind = ATTRIBUTE.unpack_from(data)
        found[kind] = data[ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind, *_ = HEADER.unpack_from(data)
        yield kind, data[HEADER.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
