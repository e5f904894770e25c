"""Addresses of host names, as this machine's resolver knows them: hosts file, search domains, DNS."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

Resolve = Callable[[str], Sequence[str]]
"""Returns the addresses of a name. Raises OSError."""
LINK_LOCAL = ("169.254.", "fe8", "fe9", "fea", "feb")
"""Beginnings of link-local addresses (RFC 3927, RFC 4291 section 2.5.6)."""
UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104 - nothing is served there
MOST_AT_ONCE = 32
"""Names that are asked for side by side."""
MOST_ADDRESSES = 32
"""Addresses of one name that are used."""


class Answer(NamedTuple):
    """Answer of the resolver about one name."""

    addresses: tuple[str, ...] = ()
    """None: the name doesn't resolve."""
    words: str = ""
    """Why it doesn't, in the resolver's own words."""


def addresses_of(name: str) -> list[str]:
    """Return the addresses of a host name that this machine could connect to. Raises OSError with the resolver's words.

    Left out are link-local ones, as without an interface they name nobody, and the unspecified ones, by which filters of DNS
    say that they block a name, and which lead to this machine itself.
    """
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    addresses = [str(place[0]) for *_, place in found]
    usable = [each for each in addresses if names_a_host(each)]
    if not usable:
        raise OSError(f"it has only {', '.join(sorted(set(addresses))[:3])}, which is no host's address")
    return usable


def names_a_host(address: str) -> bool:
    """Whether a connection to an address, as getaddrinfo writes it, leads to the host that has it."""
    return "%" not in address and not address.startswith(LINK_LOCAL) and address not in UNSPECIFIED


class _Asking:
    """Names that threads ask for until all are answered or nobody waits any more."""

    def __init__(self, names: Iterable[str], resolve: Resolve) -> None:
        self._waiting = deque(names)
        self._resolve = resolve
        self._answers: dict[str, Answer] = {}
        self._changed = threading.Condition()

    def answers(self, seconds: float) -> Mapping[str, Answer]:
        """Return what has been answered after `seconds` at most. Who still asks then ends by itself."""
        everything, deadline = len(self._waiting), time.monotonic() + seconds
        for _ in range(min(everything, MOST_AT_ONCE)):
            threading.Thread(target=self._work, name="resolve", daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: len(self._answers) == everything, max(0.0, deadline - time.monotonic()))
            self._waiting.clear()
            return dict(self._answers)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    return
                name = self._waiting.popleft()
            answer = _answer(name, self._resolve)
            with self._changed:
                self._answers[name] = answer
                self._changed.notify_all()


def resolve_all(names: Collection[str], resolve: Resolve, seconds: float) -> dict[str, Answer]:
    """Ask for all names side by side. After `seconds` those without an answer are taken to have none."""
    late = Answer(words=f"no answer within {seconds:g} s")
    answers = _Asking(names, resolve).answers(seconds) if names else {}
    return {name: answers.get(name, late) for name in names}


def _answer(name: str, resolve: Resolve) -> Answer:
    try:
        found = resolve(name)
    except OSError as error:
        return Answer(words=error.strerror or str(error))
    except UnicodeError:
        return Answer(words="it can't be asked for in the DNS")
    return Answer(tuple(sorted(set(found))[:MOST_ADDRESSES]), "" if found else "it has no address")
