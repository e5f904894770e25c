"""Where mail is served: the protocols, and the daemon behind each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

from chainwright import ListenAddress, StartTLS

FEW = 200
"""Looks up to which every chain is looked at through every door."""


@dataclass(frozen=True, slots=True)
class Door:
    """One protocol with one way into TLS."""

    setting: str
    """Name of the setting with its addresses."""
    service: str
    starttls: StartTLS | None = None
    """None: TLS from the first octet (RFC 8314 section 3)."""


DOORS = (
    Door("smtp", "postfix", StartTLS.SMTP),
    Door("submission", "postfix", StartTLS.SMTP),
    Door("smtps", "postfix"),
    Door("imap", "dovecot", StartTLS.IMAP),
    Door("imaps", "dovecot"),
    Door("pop3", "dovecot", StartTLS.POP3),
    Door("pop3s", "dovecot"),
)

Places = Mapping[Door, ListenAddress]
"""The doors that are open, each with the address at which it is looked at."""


def chosen(slot: str, places: Places, slots: int) -> Iterable[Door]:
    """Return the doors through which the chain of one of `slots` slots is looked at.

    A daemon has one table of names for all its doors. So where there are many names, each is looked at through one door of
    each daemon, always the same: more would see nothing new, and take minutes.
    """
    return places if slots * len(places) <= FEW else _one_of_each_daemon(slot, places)


def _one_of_each_daemon(slot: str, places: Places) -> Iterator[Door]:
    by_daemon: dict[str, list[Door]] = {}
    for door in places:
        by_daemon.setdefault(door.service, []).append(door)
    for doors in by_daemon.values():
        yield doors[crc32(slot.encode()) % len(doors)]
