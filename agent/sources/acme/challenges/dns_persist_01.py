"""DNS-PERSIST-01 (draft-ietf-acme-dns-persist): the CA reads a TXT record that a person has set once for all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from agent.errors.persist import (
    AccountUnwritable,
    ChallengeUnusable,
    IssuersDiffer,
    IssuersUnknown,
    NotTaken,
    RecordMissing,
    ServersSilent,
)
from agent.model.persistent import domain_of, owner_of
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.challenges.method import Answer, Method, Outlook
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.persist.account import PersistAccount, issuers_in
from agent.sources.acme.persist.asking import persist_account, refuse_if_not_taken
from agent.sources.acme.persist.judging import Wanted
from agent.sources.acme.persist.looking import Sighting, look_up
from agent.sources.acme.persist.record import record_of
from agent.sources.acme.persist.zone import zones_of
from agent.system.names import is_address, is_wildcard

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.errors import SourceError
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource

NO_ACCOUNT = "its record names the account at the CA, which is not made yet: chainwright acme persist '{}'"
NOT_SET = "there is no record of it: chainwright acme persist '{}' shows it"


class DnsPersist01Method(Method):
    """The record is looked up at the zone's own servers before anything is ordered; it is never changed."""

    type: ClassVar[ChallengeType] = ChallengeType.DNS_PERSIST_01

    def __init__(self, source: AcmeSource, ca: CaContext, context: SourceContext, account: Account | None) -> None:
        super().__init__(source, ca, context, account)
        self._seen: dict[str, tuple[Sighting, Wanted]] = {}
        """What was seen of each name that its record proves."""

    def why_not(self, name: str) -> str:
        """Addresses have no such record, and nobody sees one of a name that the world does not know."""
        if is_address(name):
            return "an address has no record"
        return "" if self.source.persistent_names([name]) else "it is no public name"

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> Outlook:
        """Look the record of each name up, where the CA takes it."""
        try:
            refuse_if_not_taken(self.source, self.ca, self.context)
            if self.account is None:
                return Outlook(absent={name: NO_ACCOUNT.format(name) for name in names})
            account = persist_account(self.source, self.ca, self.context, self.account)
        except NotTaken:
            return Outlook(absent=dict.fromkeys(names, f"{self.source.ca} does not take it yet"))
        except (AccountUnwritable, IssuersUnknown) as error:
            return Outlook(absent=dict.fromkeys(names, error.problem.cause.rstrip(".")))
        except (CaProblem, CaUnreachable) as failure:
            error_ = self.ca.translated(failure, frozenset(names), self.context.now())
            return Outlook(failed=dict.fromkeys(names, error_))
        return self._outlook(names, account, retry_at)

    def _outlook(self, names: Collection[str], account: PersistAccount, retry_at: datetime) -> Outlook:
        zone = zones_of(self.source, self.context)
        domains = {domain_of(name) for name in names}
        said = {domain: zone.records(owner_of(domain)) for domain in domains if not self.context.cancelled}
        absent: dict[str, str] = {}
        failed: dict[str, SourceError] = {}
        for name in names:
            wanted = Wanted(name, account, self.context.now(), retry_at, f"*.{domain_of(name)}" in names)
            seen = look_up(zone, said.get(domain_of(name), "there was no time left for it"), wanted)
            if isinstance(seen.error, RecordMissing | ServersSilent) and not is_wildcard(name):
                absent[name] = NOT_SET.format(name)
            elif seen.error:
                failed[name] = seen.error
            else:
                self._seen[name] = seen, wanted
        return Outlook(failed=failed, absent=absent)

    def present(self, answers: Sequence[Answer], *, retry_at: datetime) -> None:
        """Check that the CA looks for what is there. Raises `PersistError`."""
        for each in answers:
            if each.name in self._seen:
                seen, wanted = self._seen[each.name]
                _check(each, seen, wanted, self.source.ca)

    def clean_up(self) -> None:
        """Leave the records: a person has set them."""


def _check(answer: Answer, seen: Sighting, wanted: Wanted, ca: str) -> None:
    body = answer.challenge.chall.to_partial_json()
    issuers = issuers_in(body.get("issuerDomainNames") or body.get("issuer-domain-names"))
    record = wanted.record
    about = (answer.name, record.owner, record.value, wanted.retry_at)
    if not issuers:
        raise ChallengeUnusable(*about, ca, "it does not say by which names the CA goes")
    if seen.issuer not in issuers:
        value = record_of(wanted.domain, wanted.account, wildcard="policy=" in record.value, issuer=issuers[0]).value
        raise IssuersDiffer(answer.name, record.owner, value, wanted.retry_at, ca, issuers, seen.issuer)
