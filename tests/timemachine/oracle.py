"""What is true of an appliance, found out without the agent: what each endpoint serves, and what the CAs were asked.

It knows the true time, the services' memory and the CAs' own records, and reads nothing of the agent's state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatch

from timemachine.ca import Authority
from timemachine.trust import Clients
from timemachine.wire import Loaded, Service

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PATIENCE = 15 * MINUTE
"""So long after an appliance could act again it may still serve what it served before."""
REVOCATION = 3 * DAY
"""So long after a CA has revoked a certificate the agent may not know: CAs are asked once a day."""
SETTLED = 2 * DAY
"""So long after something was cured its finding may still be there: what was refused is tried again within a day."""
LAST_PART = 40
"""In this last part of its life no chain serves any more: it has handed over, in its last twentieth."""
LOCAL, COMPANY, ACME, UPLOADED = "local", "company", "acme", "uploaded"


@dataclass(frozen=True)
class Violation:
    """One thing that must not be."""

    at: datetime
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.kind}: {self.text}"


@dataclass(frozen=True)
class Disturbance:
    """One thing that happened for which more orders or findings than usual are right."""

    begin: datetime
    end: datetime
    kind: str
    names: frozenset[str] = frozenset()
    """Empty: it is about all of them."""

    def is_about(self, names: Iterable[str]) -> bool:
        """Whether it concerns names."""
        return not self.names or bool(self.names & set(names))


@dataclass
class Oracle:
    """Judgement of one run."""

    authorities: dict[str, Authority]
    """By the rung whose CA it is."""
    violations: list[Violation] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    minutes: float = 0.0
    """Of all endpoints together that were looked at."""

    def __post_init__(self) -> None:
        self._served: dict[str, dict[str, tuple[str, Loaded]]] = defaultdict(dict)
        """Name -> id of each chain that was ever served for it -> its rung, and the chain."""
        self._judged_orders: dict[tuple[str, frozenset[str]], int] = defaultdict(int)
        self.clients = Clients()
        self.withdrawn: set[str] = set()
        """Ids of chains that a person has taken back or that a restored database doesn't know."""

    def tell(self, at: datetime, kind: str, text: str) -> None:
        """Note what must not be, each thing once a day."""
        last = next((each for each in reversed(self.violations) if (each.kind, each.text) == (kind, text)), None)
        if last is None or at - last.at > DAY:
            self.violations.append(Violation(at, kind, text))

    def disturb(self, begin: datetime, end: datetime, kind: str, names: Iterable[str] = ()) -> None:
        """Note what happened."""
        self.disturbances.append(Disturbance(begin, end, kind, frozenset(names)))

    def active(self, at: datetime, *kinds: str, names: Iterable[str] = ()) -> bool:
        """Whether something of these kinds is, or is not over for long."""
        return any(
            each.kind in kinds and each.begin <= at <= each.end + SETTLED and (not names or each.is_about(names))
            for each in self.disturbances
        )

    def was(self, since: datetime, *kinds: str) -> bool:
        """Whether something of these kinds has happened since an instant."""
        return any(each.kind in kinds and each.end >= since for each in self.disturbances)

    def disturbed(self, at: datetime, name: str) -> bool:
        """Whether anything that concerns a name is, or is not over for long."""
        return any(each.begin <= at <= each.end + SETTLED and each.is_about([name]) for each in self.disturbances)

    # What is served

    def rung_of(self, loaded: Loaded) -> str:
        """Return whose chain it is, by who has issued it."""
        return next((rung for rung, each in self.authorities.items() if each.known(loaded.id)), LOCAL)

    def served(self, service: Service, begin: datetime, end: datetime, ladder: tuple[str, ...]) -> None:
        """Judge what a service has served between two instants, in which nothing has changed and the agent could act."""
        for name, loaded in service.serves.items():
            self._judge_trust(name, loaded, begin, end)
            self.minutes += (end - begin) / MINUTE
            self._keep(name, loaded)
            if fault := self._fault(name, loaded, begin, end):
                self.tell(end, "served", f"{name} {fault} ({loaded.id[:8]}, {self.rung_of(loaded)})")
            elif better := self._better(name, loaded, begin, end, ladder):
                rung = self.rung_of(loaded)
                self.tell(
                    end, "below", f"{name} is served by {rung} while {better} has a good chain that was served before"
                )

    def _keep(self, name: str, loaded: Loaded) -> None:
        if loaded.id not in self._served[name]:
            self._served[name][loaded.id] = self.rung_of(loaded), loaded

    def forget_served(self) -> None:
        """Forget what was served: the agent has been taken back to a time before it."""
        self._served.clear()
        self.clients.forget()

    def end_of(self, chain: str) -> datetime | None:
        """Return when a chain ends, if it was issued or served."""
        issued = next((found for each in self.authorities.values() if (found := each.known(chain))), None)
        if issued is not None:
            return issued.not_after
        served = (known[chain][1] for known in self._served.values() if chain in known)
        return next((each.not_after for each in served), None)

    def has_newer(self, name: str, rung: str, than: str, at: datetime) -> bool:
        """Whether a CA has issued a good chain for a name, later than the one with the id `than` where that is its own."""
        authority = self.authorities[rung]
        found = [each for each in authority.issued.values() if each.names == {name}]
        ids = [each.id for each in found]
        later = found[ids.index(than) + 1 :] if than in ids else found
        return any(each.at <= at < each.not_after and not authority.is_revoked(each.id, at) for each in later)

    def signed_by_retired(self, service: Service, at: datetime) -> None:
        """Judge whether a root was retired although a service has something of it in its memory."""
        for name, loaded in service.serves.items() if service.runs else ():
            if self.rung_of(loaded) == LOCAL and at < loaded.not_after and (who := self.clients.retired_issuer(loaded)):
                self.tell(at, "trust", f"{name} is served what {who} has signed, which was retired ({loaded.id[:8]})")

    def _judge_trust(self, name: str, loaded: Loaded, begin: datetime, end: datetime) -> None:
        """Judge whether clients that know one root of the appliance take a local chain."""
        if self.rung_of(loaded) == LOCAL:
            for at in (begin, end):
                for refusal in self.clients.refusals(name, loaded, at):
                    self.tell(at, "trust", f"{name}: {refusal} ({loaded.id[:8]})")

    def _fault(self, name: str, loaded: Loaded, begin: datetime, end: datetime) -> str:
        if end > loaded.not_after:
            return f"expired at {loaded.not_after:%Y-%m-%d %H:%M}"
        if end > loaded.not_after - (loaded.not_after - loaded.not_before) / LAST_PART:
            return f"is served to its end at {loaded.not_after:%Y-%m-%d %H:%M}, and the next rung could have taken over"
        if begin < loaded.not_before:
            return f"is not valid before {loaded.not_before:%Y-%m-%d %H:%M}"
        if not any(name == each or fnmatch(name, each) for each in loaded.names):
            return f"is served a chain for {', '.join(sorted(loaded.names))}"
        if any(each.is_revoked(loaded.id, end - REVOCATION) for each in self.authorities.values()):
            return "is revoked"
        return ""

    def _better(self, name: str, loaded: Loaded, begin: datetime, end: datetime, ladder: tuple[str, ...]) -> str:
        """Return the rung above that has a chain which was served before and is still good for long."""
        order = {rung: number for number, rung in enumerate(ladder)}
        own = order.get(self.rung_of(loaded), len(order))
        for rung, each in self._served[name].values():
            margin = (each.not_after - each.not_before) / 10
            good = each.not_before <= begin and end < each.not_after - margin and each.id not in self.withdrawn
            revoked = any(authority.is_revoked(each.id, end) for authority in self.authorities.values())
            if good and not revoked and order.get(rung, len(order)) < own:
                return rung
        return ""

    # What the CAs were asked

    def judge_orders(self, at: datetime) -> None:
        """Judge what was ordered since the last time."""
        for rung in (ACME, COMPANY):
            authority = self.authorities[rung]
            for names, asked in authority.asked.items():
                first = self._judged_orders[rung, names]
                for number in range(first, len(asked)):
                    self._judge_order(authority, names, number)
                self._judged_orders[rung, names] = len(asked)

    def _judge_order(self, authority: Authority, names: frozenset[str], number: int) -> None:
        asked = authority.asked[names]
        at, fulfilled = asked[number]
        before = next(
            (each for each in reversed(authority.issued.values()) if each.names == names and each.at < at), None
        )
        early = before is not None and not self._is_due(before.not_before, before.not_after, at)
        if before is not None and early and not self._is_excused(names, before.at, at):
            left = (before.not_after - at) / (before.not_after - before.not_before)
            self.tell(at, "order", f"{min(names)} was ordered with {left:.0%} of its lifetime left")
        if not fulfilled:
            self._judge_tries(authority, names, number)

    def _judge_tries(self, authority: Authority, names: frozenset[str], number: int) -> None:
        """No more than ten tries in a day: three in the first hours, three in the last day, three in the last hour."""
        at = authority.asked[names][number][0]
        day = [each for each, good in authority.asked[names][: number + 1] if not good and at - each < DAY]
        if len(day) > MOST_TRIES and not self._is_excused(names, at - DAY, at):
            self.tell(at, "order", f"{min(names)} was tried {len(day)} times in a day")

    def _is_due(self, begin: datetime, end: datetime, at: datetime) -> bool:
        lifetime = end - begin
        share = 1 / 2 if lifetime < 10 * DAY else 1 / 3
        return end - at <= lifetime * (share + EARLY)

    def _is_excused(self, names: frozenset[str], begin: datetime, end: datetime) -> bool:
        return any(
            each.kind in FOR_MORE_ORDERS and each.is_about(names) and each.begin <= end and begin <= each.end + SETTLED
            for each in self.disturbances
        )


MOST_TRIES = 10
EARLY = 0.06
"""Part of the lifetime by which a renewal may be earlier than by the ratio: the jitter of hosts and the CA's window."""
FOR_MORE_ORDERS = frozenset(
    ("revoked", "moved", "killed", "restored", "site", "ladder", "full", "upload", "boot_ahead")
)
