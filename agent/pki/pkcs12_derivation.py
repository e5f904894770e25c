"""Derivation of keys from passphrases as PKCS#12 has it (RFC 7292 appendix B)."""

from __future__ import annotations

import hashlib

FOR_KEY, FOR_IV, FOR_MAC = 1, 2, 3
"""What octets are derived for (RFC 7292 appendix B.3)."""
BLOCKS = {"sha1": 64, "sha224": 64, "sha256": 64, "sha384": 128, "sha512": 128}
"""Octets of a block, by digest."""


def derived(digest: str, purpose: int, passphrase: bytes, salt: bytes, rounds: int, size: int) -> bytes:
    """Derive `size` octets from a passphrase in the form of `wide` (RFC 7292 appendix B.2). `digest`: of `BLOCKS`."""
    block, hashed = BLOCKS[digest], getattr(hashlib, digest)
    padded = _filled(salt, block) + _filled(passphrase, block)
    found = b""
    while len(found) < size:
        part = bytes([purpose]) * block + padded
        for _ in range(rounds):
            part = hashed(part).digest()
        found += part
        step = int.from_bytes(_filled(part, block)[:block], "big") + 1
        padded = b"".join(_sum(padded[at : at + block], step) for at in range(0, len(padded), block))
    return found[:size]


def _filled(octets: bytes, block: int) -> bytes:
    """Repeat octets until they fill whole blocks."""
    size = -(-len(octets) // block) * block
    return (octets * (size // len(octets) + 1))[:size] if octets else b""


def _sum(octets: bytes, step: int) -> bytes:
    size = len(octets)
    return ((int.from_bytes(octets, "big") + step) % (1 << 8 * size)).to_bytes(size, "big")


def wide(secret: bytes | None) -> tuple[bytes, ...]:
    """Return the forms of a passphrase in RFC 7292 appendix B.1; of none there are two in use."""
    return (b"", b"\0\0") if not secret else (secret.decode().encode("utf-16-be") + b"\0\0",)
