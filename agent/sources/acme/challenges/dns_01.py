"""DNS-01 (RFC 8555 section 8.4): the CA reads a TXT record that was made for it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from josepy.json_util import encode_b64jose

from agent.errors import SourceError
from agent.errors.dns import NoSolver
from agent.sources.acme.at_once import at_once
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.challenges.method import Answer, Method, Outlook
from agent.system.names import WILDCARD, is_address

if TYPE_CHECKING:
    from agent.contract.dns_solver import TxtRecord
    from agent.contract.source import SourceContext
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


LABEL = "_acme-challenge"


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody has set the method up for a domain."""

    why: str
    """A clause."""


class Dns01Method(Method):
    """A solver of a ``[dns.NAME]`` table writes the records."""

    type: ClassVar[ChallengeType] = ChallengeType.DNS_01

    def __init__(self, source: AcmeSource, ca: CaContext, context: SourceContext, account: Account | None) -> None:
        super().__init__(source, ca, context, account)
        self._where: dict[str, TxtRecord] = {}
        self._published: list[TxtRecord] = []

    def why_not(self, name: str) -> str:
        """No addresses."""
        return "the DNS proves no address" if is_address(name) else ""

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> Outlook:
        """Find out who would write the records, and where."""
        domains = list(dict.fromkeys(name.removeprefix(WILDCARD) for name in names))
        sought = at_once(lambda each: self._sought(each, retry_at), domains)
        found = dict(zip(domains, sought, strict=True))
        outcomes = {name: found[name.removeprefix(WILDCARD)] for name in names}
        return Outlook(
            failed={name: each for name, each in outcomes.items() if isinstance(each, SourceError)},
            absent={name: each.why for name, each in outcomes.items() if isinstance(each, Absent)},
            how={name: each for name, each in outcomes.items() if isinstance(each, str)},
        )

    def present(self, answers: Sequence[Answer], *, retry_at: datetime) -> None:
        """Have all records made in one go, a domain and its wildcard beside each other. Raises `SourceError`."""
        records = [replace(self._record(each.domain), value=_digest(each.key_authorization)) for each in answers]
        self._published += records
        self.context.dns01.publish(records)

    def clean_up(self) -> None:
        """Have them removed."""
        if self._published:
            self.context.dns01.withdraw(self._published)
            self._published = []

    def _sought(self, domain: str, retry_at: datetime) -> SourceError | Absent | str:
        """Return why the record of a domain can't be made: an error, or where no table serves it a clause; else who makes it."""
        solver = self.context.dns01.solver_for(domain)
        if solver is None:
            return self._without_table(domain, retry_at)
        try:
            record = self._record(domain)
        except SourceError as error:
            return error
        return f"[dns.{solver}] can write the TXT record {record.name}"

    def _without_table(self, domain: str, retry_at: datetime) -> NoSolver | Absent:
        target = self.context.dns01.alias_of(domain)
        if target:  # somebody means it to work
            return NoSolver([domain], target, retry_at, alias=f"{LABEL}.{domain}")
        return Absent(f"no table [dns.NAME] holds the zone of {domain}: add one")

    def _record(self, domain: str) -> TxtRecord:
        if domain not in self._where:
            self._where[domain] = self.context.dns01.where(domain)
        return self._where[domain]


def _digest(key_authorization: str) -> str:
    return encode_b64jose(hashlib.sha256(key_authorization.encode()).digest())
