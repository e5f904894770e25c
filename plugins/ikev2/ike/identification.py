"""Identities: ID payloads (RFC 7296 section 3.5)."""

from __future__ import annotations

from ipaddress import ip_address

_IPV4, _FQDN, _IPV6, _KEY_ID = 1, 2, 5, 11
_SHOWN = 100


def identity_of(name: str) -> bytes:
    """Return the body of an ID payload for a domain or an address."""
    try:
        address = ip_address(name)
    except ValueError:
        return bytes([_FQDN, 0, 0, 0]) + name.encode("ascii", "replace")
    return bytes([_IPV4 if address.version == 4 else _IPV6, 0, 0, 0]) + address.packed


def key_id(name: str) -> bytes:
    """Return the body of an ID payload for a name of no kind."""
    return bytes([_KEY_ID, 0, 0, 0]) + name.encode()


def same(one: bytes, other: bytes) -> bool:
    """Whether two bodies mean the same one. The reserved octets don't count, nor does the case of a domain."""
    kinds, names = (one[:1], other[:1]), (one[4:], other[4:])
    if kinds[0] == bytes([_FQDN]):
        names = names[0].lower(), names[1].lower()
    return kinds[0] == kinds[1] and names[0] == names[1]


def shown(body: bytes) -> str:
    """Return it for a person: it's a stranger's, so no control characters and no novel."""
    kind, name = body[0], body[4:]
    if (kind, len(name)) in {(_IPV4, 4), (_IPV6, 16)}:
        return str(ip_address(name))
    text = "".join(each if each.isprintable() else "?" for each in name.decode("utf-8", "replace"))
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}..."'
