"""`Answers`: who answers HTTP-01 challenges (RFC 8555 section 8.3) on this machine, found out by asking it.

For one order, around its challenges::

    with answers.serving():
        answers.prepare(names, retry_at=at)             # Http01Error: it would be in vain; who insists goes on all the same
        answers.present(name, token, retry_at=at)       # for each, before the CA is told to look
        ...
        answers.clean_up(name, token)                   # for each, when the CA has looked

Three answer, in this order of preference:

- a web server that knows the thumbprint of the account key, as those of our modules do: nothing is left to do;
- a web server that serves the files of the webroot: each token gets one;
- the agent itself, where nobody has the port. It gives the port back when the last `serving` ends.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

from agent.contract.context import Http01
from agent.errors.http01 import TokenMalformed, WebrootUnwritable
from agent.sources.acme.responder import EVERYWHERE, NAME, Responder
from agent.sources.acme.self_test import Ports, Seen, ask
from agent.sources.acme.unanswered import By, Found, Unopened, Unwritten, refusal
from agent.sources.acme.webroot import TOKEN, Webroot
from agent.system.addresses import own_addresses
from agent.system.names import is_public

LOOPBACK = ("127.0.0.1", "::1")
MOST_ADDRESSES = 16
"""That are asked for one name."""
PATIENCE = 5.0
"""Seconds for one answer."""
LONGEST = 15.0
"""Seconds for all names of one order."""
REMEMBERED = 60.0
"""Seconds for which a name that was answered is not asked for again: less than a failed order waits."""
WORKERS = 8
"""Names that are asked for at the same time."""


def where_to_ask() -> tuple[str, ...]:
    """Return this machine's addresses: loopback first, since whoever listens everywhere listens there too; then public ones."""
    try:
        found = own_addresses()
    except OSError:
        return LOOPBACK
    others = [each for each in found if each not in LOOPBACK]
    return (*LOOPBACK, *sorted(others, key=lambda each: not is_public(each)))


class Answers:
    """One for all orders of a process. May be used from several threads. `close` it at the end."""

    def __init__(
        self,
        http01: Http01,
        *,
        port: int = 80,
        https_port: int = 443,
        addresses: Callable[[], Sequence[str]] = where_to_ask,
        hosts: Sequence[str] = EVERYWHERE,
        patience: float = PATIENCE,
        longest: float = LONGEST,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where answers go, with the thumbprint of the present account key, and the ports at which CAs look.

        `addresses` says where this machine is asked, `hosts` where the agent listens itself (see `responder.listen`).
        """
        if http01.thumbprint is None:
            raise ValueError("challenges can't be answered without an account key")
        self.http01 = http01
        self._thumbprint = http01.thumbprint
        self._ports = Ports(port, https_port)
        self._addresses = addresses
        self._hosts = hosts
        self._patience, self._longest, self._monotonic = patience, longest, monotonic
        self._webroot = Webroot(http01.webroot)
        self._lock = threading.Lock()
        self._serving = 0
        self._responder: Responder | None = None
        self._reached = False
        """The listener has been seen to answer: it does so for any name."""
        self._proven: dict[str, tuple[By, float]] = {}
        """Name -> who answers, and until when that is believed."""
        self._webroot.sweep()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Keep the agent's own listener, if one is needed, as long as an order has challenges to be answered."""
        with self._lock:
            self._serving += 1
        try:
            yield
        finally:
            with self._lock:
                self._serving -= 1
                if not self._serving:
                    self._stop()

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> None:
        """Find out who will answer for each of `names` (canonical, no wildcards); listen where nobody does.

        Raises `Http01Error`, with the names that nobody would answer for in `failed`; it says that it's tried again at
        `retry_at`. Takes 15 seconds at most.
        """
        deadline = time.monotonic() + self._longest
        unknown = [name for name in dict.fromkeys(names) if self._who(name) is None]
        found = self._look_at_all(unknown, deadline)
        wrong = {name: each for name, each in found.items() if not isinstance(each, By)}
        if wrong:
            raise refusal(wrong, self._ports.http, self._webroot.directory, retry_at)

    def present(self, name: str, token: str, *, retry_at: datetime) -> None:
        """Make sure that `token` is answered at `name`. Raises `Http01Error`.

        For a name that `prepare` was not content with, what can be done is done all the same.
        """
        if not TOKEN.fullmatch(token):
            raise TokenMalformed([name], token, retry_at)
        who = self._who(name)
        if who in {By.THUMBPRINT, By.AGENT}:
            return
        try:
            self._webroot.put(token, self._key_authorization(token))
        except OSError as error:
            if who is By.WEBROOT:
                raise WebrootUnwritable([name], self._webroot.directory, error, retry_at) from error

    def clean_up(self, name: str, token: str) -> None:
        """Forget the answer to `token`. Raises nothing."""
        if TOKEN.fullmatch(token):
            self._webroot.remove(token)

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            self._stop()

    # Looking

    def _look_at_all(self, names: Sequence[str], deadline: float) -> Mapping[str, Found]:
        if not names:
            return {}
        own = tuple(self._addresses())
        with ThreadPoolExecutor(min(WORKERS, len(names)), thread_name_prefix="self-test") as pool:
            found = pool.map(lambda name: self._look(name, _for(name, own), deadline), names)
            return dict(zip(names, found, strict=True))

    def _look(self, name: str, addresses: Sequence[str], deadline: float) -> Found:
        if self._reached:
            return By.AGENT
        token = _new_token()
        seen = self._asked(name, token, addresses, deadline)
        if seen.nobody:
            closed = self._open()
            seen = self._asked(name, token, addresses, deadline)
            if closed and seen.nobody:
                return Unopened(closed)
        if seen.answers(self._key_authorization(token)):
            return self._by_thumbprint(name, seen)
        return seen if seen.silent else self._look_with_a_file(name, addresses, deadline)

    def _look_with_a_file(self, name: str, addresses: Sequence[str], deadline: float) -> Found:
        token = _new_token()
        try:
            self._webroot.put(token, self._key_authorization(token))
        except OSError as error:
            return Unwritten(error)
        try:
            seen = self._asked(name, token, addresses, deadline)
        finally:
            self._webroot.remove(token)
        return self._believe(name, By.WEBROOT) if seen.answers(self._key_authorization(token)) else seen

    def _asked(self, name: str, token: str, addresses: Sequence[str], deadline: float) -> Seen:
        """Return what the first address that answers rightly says; else what says most about who has the port."""
        found: list[Seen] = []
        for address in addresses:
            until = min(deadline, time.monotonic() + self._patience)
            found.append(ask(name, token, address, self._ports, until, self._patience))
            if found[-1].answers(self._key_authorization(token)):
                return found[-1]
        return max(found, key=lambda each: (each.status > 0, not each.nobody))

    def _key_authorization(self, token: str) -> str:
        return f"{token}.{self._thumbprint}"

    # What is known

    def _who(self, name: str) -> By | None:
        with self._lock:
            if self._reached:
                return By.AGENT
            who, until = self._proven.get(name, (None, 0.0))
            return who if self._monotonic() < until else None

    def _believe(self, name: str, who: By) -> By:
        with self._lock:
            self._proven[name] = (who, self._monotonic() + REMEMBERED)
        return who

    def _by_thumbprint(self, name: str, seen: Seen) -> By:
        if seen.server != NAME:
            return self._believe(name, By.THUMBPRINT)
        # If it is another process of the agent, it may end before our order does: we listen beside it from now on.
        self._open(beside=True)
        with self._lock:
            self._reached = self._responder is not None
        return By.AGENT

    # Listening

    def _open(self, *, beside: bool = False) -> OSError | None:
        """Listen, if it isn't done already; return why not."""
        with self._lock:
            if self._responder is None:
                try:
                    self._responder = Responder.start(self._thumbprint, self._ports.http, self._hosts, beside=beside)
                except OSError as error:
                    return error
        return None

    def _stop(self) -> None:
        if self._responder is not None:
            self._responder.close()
            self._responder, self._reached = None, False


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _for(name: str, own: Sequence[str]) -> Sequence[str]:
    """Return where to ask for a name: an address of this machine is asked itself (RFC 8738 section 4)."""
    ranked = sorted(own, key=lambda each: each != name)
    return ranked[:MOST_ADDRESSES]
