"""Strict PEM (RFC 7468): the blocks of a text."""

from __future__ import annotations

import re

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n[^-]*(?:-(?!----)[^-]*)*-----END \1-----")
"""The body ends at the first five hyphens, so that a text full of beginnings is still read in linear time."""
BEGIN = b"-----BEGIN "
CERTIFICATE_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE")
KEY_LABEL = b"PRIVATE KEY"


def blocks(pem: bytes) -> list[tuple[bytes, bytes]]:
    """Return `(label, block)` of each complete block, in order."""
    return [(match[1], match[0] + b"\n") for match in BLOCK.finditer(pem)]


def key_blocks(pem: bytes) -> list[bytes]:
    """Return the blocks that hold private keys, encrypted or not."""
    return [block for label, block in blocks(pem) if label.endswith(KEY_LABEL)]


def certificate_blocks(pem: bytes) -> list[bytes]:
    """Return the blocks that hold certificates."""
    return [block for label, block in blocks(pem) if label in CERTIFICATE_LABELS]


def is_torn(pem: bytes) -> bool:
    """Whether a block begins that doesn't end."""
    return pem.count(BEGIN) != len(blocks(pem))
