"""`Preflight`: what is looked at before a CA is asked, for all the orders of a process."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from agent.dns.authority import ROOT_SERVERS, Authority
from agent.dns.exchange import PATIENCE, Budget, Server, Unanswered
from agent.dns.memory import Memory
from agent.dns.resolvers import DNS_PORT, RESOLV_CONF, Resolvers, system_resolvers
from agent.errors.acme import AGAIN
from agent.sources.acme.preflight import clock, reach, trouble
from agent.sources.acme.preflight.caa import Applicant
from agent.sources.acme.preflight.findings import Finding, Findings, weighed, without_repeats
from agent.sources.acme.preflight.looking import WORKERS, Subject, Views, addresses_of, attempt, by_http, look
from agent.sources.acme.preflight.reach import HTTP_PORT, PortState

LONGEST = 8.0
"""Seconds that an examination takes at most, also where servers are silent."""


class Preflight:
    """Looks at names before a CA is asked. May be used from several threads; remembers for some minutes what orders share.

    For a public CA the DNS is asked as the CA does, from the root servers down, so that neither split-horizon DNS nor a
    resolver's memory deceives; only what the zone's own servers say is certain. A private CA is taken to see what the
    resolvers see: certain where an administrator has named them.
    """

    def __init__(
        self,
        resolvers: Sequence[Server] = (),
        *,
        roots: Sequence[str] = ROOT_SERVERS,
        port: int = DNS_PORT,
        http_port: int = HTTP_PORT,
        patience: float = PATIENCE,
        longest: float = LONGEST,
        resolv_conf: Path = RESOLV_CONF,
        try_port: Callable[[str, int, Budget], PortState] = reach.try_port,
        choose: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """Take recursive servers; by default those of `resolv_conf`.

        `port` is that of all other DNS servers, `http_port` that of HTTP-01. After `patience` seconds silent servers are
        given up, after `longest` the whole examination is. `try_port` tries a TCP connection, and `choose` says which of so
        many servers is asked first.
        """
        self._resolvers, self._roots, self._port = tuple(resolvers), tuple(roots), port
        self._port_state = lambda address, budget: try_port(address, http_port, budget)
        self._patience, self._longest, self._resolv_conf = patience, longest, resolv_conf
        self._turn = choose(len(self._roots) or 1)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="preflight")
        self._lock = threading.Lock()
        self._views: Views | None = None

    def examine(
        self,
        names: Iterable[str],
        *,
        identities: Sequence[str],
        account_url: str,
        addresses: Iterable[str],
        skew: timedelta | None,
        now: datetime,
        private_ca: bool = False,
        methods: Callable[[str], Sequence[str]] = by_http,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Findings:
        """Look at canonical `names`; return what will make the CA refuse them, and what may. Raises nothing.

        `identities` are the directory's ``caaIdentities`` (none: CAA is not judged), `account_url` the account that asks
        (empty: not known yet), `addresses` this machine's, `skew` the CA's Date minus this machine's clock, which shows
        `now`; `methods` are the challenges that may be answered for a name. Once `cancelled`, it returns at once and without
        anything that is certain.
        """
        applicant = Applicant(tuple(identities), account_url)
        subject = Subject(tuple(dict.fromkeys(names)), applicant, methods, frozenset(addresses), private_ca)
        budget = Budget(time.monotonic() + self._longest, cancelled)
        wrong = clock.judge(skew, now)
        found = attempt(lambda: self._confirmed(subject, budget))
        if cancelled():
            return Findings()
        listed = [trouble.unchecked("", found)] if isinstance(found, Unanswered) else found
        return Findings(without_repeats([*([wrong] if wrong else []), *weighed(listed, methods)]))

    def addresses_of(
        self, name: str, *, private_ca: bool = False, cancelled: Callable[[], bool] = lambda: False
    ) -> tuple[str, ...]:
        """Return the A and AAAA records of a name, as its CA sees them if that can be known; none where nobody says."""
        budget = Budget(time.monotonic() + self._longest, cancelled)
        found = attempt(lambda: addresses_of(name, self._opened(), budget, private_ca=private_ca))
        return () if isinstance(found, Unanswered) else found

    def _confirmed(self, subject: Subject, budget: Budget) -> list[Finding]:
        """Look again, at other servers and without memory, before a name is stopped: it may just have been put right."""
        began = time.monotonic()
        views = self._opened()
        found = look(subject, views, budget)
        stopped = {each.name for each in found if each.certain}
        if not stopped:
            return found
        doubtful = dataclasses.replace(subject, names=tuple(name for name in subject.names if name in stopped))
        again = look(doubtful, self._opened(afresh=True), budget)
        passing = [each for each in found if each.name not in stopped]
        if views.opened_at >= began:  # else it may have been remembered what is no longer so
            passing += _unconfirmed([each for each in found if each.certain], again)
        return passing + again

    def _opened(self, *, afresh: bool = False) -> Views:
        servers = self._resolvers or system_resolvers(self._resolv_conf, self._port)
        with self._lock:
            if self._views is None or afresh or self._views.resolvers.servers != servers:
                self._turn += 1
                self._views = self._open(servers)
            return self._views

    def _open(self, servers: tuple[Server, ...]) -> Views:
        memory = Memory()
        resolvers = Resolvers(servers, memory, patience=self._patience)
        authority = Authority(
            resolvers, memory, roots=self._roots, port=self._port, patience=self._patience, turn=self._turn
        )
        return Views(
            resolvers, authority, memory, self._port_state, time.monotonic(), bool(self._resolvers), self._pool
        )


def _unconfirmed(certain: Iterable[Finding], again: Sequence[Finding]) -> Iterator[Finding]:
    """Yield as a warning what one of a zone's name servers was certain of and the next one wasn't."""
    confirmed = {each.name for each in again if each.certain}
    unanswered = {each.name for each in again if each.code in trouble.UNANSWERED}
    for each in certain:
        if each.name in unanswered or "" in unanswered:
            yield dataclasses.replace(each, certain=False)
        elif each.name not in confirmed:
            cause = f"The name servers do not agree about {each.name}. One of them: {each.cause}"
            fix = f"Look whether all of them have the zone's present version, {AGAIN}"
            yield Finding(each.name, "disagreement", cause, fix)
