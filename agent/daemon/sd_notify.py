"""Notifications to systemd (sd_notify(3)): datagrams with ``NAME=value`` lines to ``$NOTIFY_SOCKET``."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

MICROSECONDS = 1_000_000


class Notifier:
    """Sender of notifications, where systemd has asked for them. Any thread may use it; it never raises."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = _watchdog(environment) if self._address else None
        """Seconds between two signs of life that the watchdog is to see; None: nobody watches."""

    @property
    def heard(self) -> bool:
        """Whether systemd has asked for notifications."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Say that the daemon is up."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """Say in one line what the daemon does."""
        self._send(f"STATUS={_line(text)}")

    def alive(self) -> None:
        """Give a sign of life."""
        if self.watchdog is not None:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon is about to end."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.sendto(text.encode(), self._address)


def _line(text: str) -> str:
    return " ".join(text.split())


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Read sd_watchdog_enabled(3)'s variables; half of the limit is the usual interval."""
    try:
        micro = int(environment.get("WATCHDOG_USEC", ""))
        watched = int(environment.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return micro / 2 / MICROSECONDS if micro > 0 and watched == os.getpid() else None
