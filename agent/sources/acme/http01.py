"""`Answers`: who answers HTTP-01 challenges (RFC 8555 section 8.3) on this machine, found out by asking it.

For one order, around its challenges::

    with answers.serving():
        answers.prepare(names, retry_at=at)             # Http01Error: it would fail; a caller may go on all the same
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
from dataclasses import replace
from datetime import datetime

from agent.contract.context import Http01
from agent.errors.http01 import TokenMalformed, WebrootUnwritable
from agent.sources.acme.bounded_server import EVERYWHERE
from agent.sources.acme.families import connections
from agent.sources.acme.responder import NAME, Responder
from agent.sources.acme.self_test import Ports, Seen, ask
from agent.sources.acme.unanswered import Answered, By, Found, Unanswered, Unopened, Unwritten, refusal
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
    """Return this machine's addresses: loopback first, since what listens everywhere listens there too; then public ones."""
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
        targets: Callable[[str], Sequence[str]] = lambda _name: (),
        hosts: Sequence[str] = EVERYWHERE,
        patience: float = PATIENCE,
        longest: float = LONGEST,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where answers go, with the thumbprint of the present account key, and the ports at which CAs look.

        `addresses` says where this machine is asked, `targets` which addresses a name has (none: that isn't known), `hosts` where
        the agent listens itself (see `bounded_server.listen`).
        """
        if http01.thumbprint is None:
            raise ValueError("challenges can't be answered without an account key")
        self.http01 = http01
        self._thumbprint = http01.thumbprint
        self._ports = Ports(port, https_port)
        self._addresses = addresses
        self._targets = targets
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

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> tuple[str, ...]:
        """Find out who will answer for each of `names` (canonical, no wildcards); listen where nobody does.

        Returns a sentence for each name at one of whose addresses nobody listens: most CAs then try the next one. Raises
        `Http01Error` where nobody answers, or where somebody answers otherwise at one of the addresses, with those names in
        `failed`; it says that it's tried again at `retry_at`. Takes 15 seconds at most.
        """
        deadline = time.monotonic() + self._longest
        unknown = [name for name in dict.fromkeys(names) if self._who(name) is None]
        found = self._look_at_all(unknown, deadline)
        answered = {name: each for name, each in found.items() if isinstance(each, Answered)}
        for name, each in answered.items():
            self._believe(name, each.by)
        wrong = {name: each for name, each in found.items() if name not in answered}
        if wrong:
            raise refusal(wrong, self._ports.http, self._webroot.directory, retry_at)
        return tuple(each.warning for each in answered.values() if each.warning)

    def present(self, name: str, token: str, *, retry_at: datetime) -> None:
        """Make sure that `token` is answered at `name`. Raises `Http01Error`.

        For a name that `prepare` was not content with, what can be done is done all the same.
        """
        if not TOKEN.fullmatch(token):
            raise TokenMalformed([name], token, retry_at)
        who = self._who(name)
        if who is By.THUMBPRINT:
            return  # and By.AGENT is not enough: another account's listener may share the port
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
        if len(names) == 1:
            return {names[0]: self._look(names[0], own, deadline)}
        with ThreadPoolExecutor(min(WORKERS, len(names)), thread_name_prefix="self-test") as pool:
            found = pool.map(lambda name: self._look(name, own, deadline), names)
            return dict(zip(names, found, strict=True))

    def _look(self, name: str, own: Sequence[str], deadline: float) -> Found:
        found = self._look_anywhere(name, addresses_for(name, own), deadline)
        if found in {By.THUMBPRINT, By.WEBROOT}:
            return self._look_everywhere(name, found, own, deadline)
        return Answered(found) if isinstance(found, By) else found

    def _look_anywhere(self, name: str, addresses: Sequence[str], deadline: float) -> By | Unanswered:
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
            return self._by_thumbprint(seen)
        return seen if seen.silent else self._look_with_a_file(name, addresses, deadline)

    def _look_with_a_file(self, name: str, addresses: Sequence[str], deadline: float) -> By | Unanswered:
        try:
            seen, right = self._asked_with_a_file(name, addresses, deadline)
        except OSError as error:
            return Unwritten(error)
        if right and seen.server == NAME:
            return self._beside_another()
        return By.WEBROOT if right else seen

    def _asked_with_a_file(self, name: str, addresses: Sequence[str], deadline: float) -> tuple[Seen, bool]:
        """Return what was seen, and whether it is right. Raises OSError where the file can't be written."""
        token = _new_token()
        self._webroot.put(token, self._key_authorization(token))
        try:
            seen = self._asked(name, token, addresses, deadline)
        finally:
            self._webroot.remove(token)
        return seen, seen.answers(self._key_authorization(token))

    def _look_everywhere(self, name: str, by: By, own: Sequence[str], deadline: float) -> Found:
        """Look at each address to which a CA may connect for a name: it chooses one, and mostly one of IPv6."""
        answers = [self._asked_of(by, name, addresses, deadline) for addresses in connections(self._targets(name), own)]
        wrong, right = ([seen for seen, is_right in answers if is_right is wanted] for wanted in (False, True))
        if not wrong:
            return Answered(by)
        beside = f"{right[0].address} answers rightly" if right else ""
        refused = next((seen for seen in wrong if not seen.nobody), None)
        if refused is None and right:
            return Answered(by, f"A CA may find nobody who answers for {name}: {wrong[0]}; {beside}.")
        return replace(refused or wrong[0], beside=beside)

    def _asked_of(self, by: By, name: str, addresses: Sequence[str], deadline: float) -> tuple[Seen, bool]:
        if by is By.WEBROOT:
            return self._asked_with_a_file(name, addresses, deadline)
        token = _new_token()
        seen = self._asked(name, token, addresses, deadline)
        return seen, seen.answers(self._key_authorization(token))

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

    def _believe(self, name: str, who: By) -> None:
        """Remember who answers; of the own listener, `_reached` tells."""
        if who is By.AGENT:
            return
        with self._lock:
            self._proven[name] = (who, self._monotonic() + REMEMBERED)

    def _by_thumbprint(self, seen: Seen) -> By:
        return By.THUMBPRINT if seen.server != NAME else self._beside_another()

    def _beside_another(self) -> By:
        """Listen beside the agent's listener of another process, or of another account: it may end before our order does."""
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
                    self._responder = Responder.at(
                        self._thumbprint, self._ports.http, self._hosts, beside=beside, filed=self._webroot.read
                    )
                except OSError as error:
                    return error
        return None

    def _stop(self) -> None:
        if self._responder is not None:
            self._responder.close()
            self._responder, self._reached = None, False


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def addresses_for(name: str, own: Sequence[str]) -> Sequence[str]:
    """Return where to ask for a name: an address of this machine is asked itself (RFC 8738 section 4)."""
    ranked = sorted(own, key=lambda each: each != name)
    return ranked[:MOST_ADDRESSES]
