"""Listeners of mail: the protocols, and the daemon behind each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

from chainwright import ListenAddress, StartTLS

FEW = 200
"""Number of endpoints up to which every chain is looked at through every listener."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One protocol with one way into TLS."""

    setting: str
    """Name of the setting with its addresses."""
    service: str
    starttls: StartTLS | None = None
    """None: TLS from the first octet (RFC 8314 section 3)."""


LISTENERS = (
    Listener("smtp", "postfix", StartTLS.SMTP),
    Listener("submission", "postfix", StartTLS.SMTP),
    Listener("smtps", "postfix"),
    Listener("imap", "dovecot", StartTLS.IMAP),
    Listener("imaps", "dovecot"),
    Listener("pop3", "dovecot", StartTLS.POP3),
    Listener("pop3s", "dovecot"),
)

Opened = Mapping[Listener, tuple[ListenAddress, ...]]
"""The listeners that have an address, each with all of them."""


def chosen(slot: str, opened: Opened, slots: int) -> Iterable[Listener]:
    """Return the listeners through which the chain of one of `slots` slots is looked at.

    A daemon has one table of names for all its listeners. So where there are many names, each is looked at through one
    listener of each daemon, always the same: more would see nothing new, and take minutes.
    """
    return opened if slots * len(opened) <= FEW else _one_of_each_daemon(slot, opened)


def _one_of_each_daemon(slot: str, opened: Opened) -> Iterator[Listener]:
    by_daemon: dict[str, list[Listener]] = {}
    for listener in opened:
        by_daemon.setdefault(listener.service, []).append(listener)
    for listeners in by_daemon.values():
        yield listeners[crc32(slot.encode()) % len(listeners)]
