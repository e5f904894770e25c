"""Purpose of a chain."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """Extended key usage (RFC 5280 section 4.2.1.12): server or client authentication."""

    SERVER = "server"
    CLIENT = "client"
