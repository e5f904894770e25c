"""What a chain is used for."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """The extended key usage (RFC 5280 section 4.2.1.12)."""

    SERVER = "server"
    CLIENT = "client"
