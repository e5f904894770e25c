"""SSTP: a VPN inside HTTPS, served by accel-ppp or by sstp-server."""

from __future__ import annotations

from chainwright import Module, Service, hookimpl
from plugins.sstp.module import SSTP
from plugins.sstp.service import SSTPService

__all__ = ["SSTP", "SSTPService"]


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return SSTP."""
    return [SSTP]


@hookimpl
def register_services() -> list[type[Service]]:
    """Return its daemon."""
    return [SSTPService]
