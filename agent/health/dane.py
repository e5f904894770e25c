"""Findings about TLSA records (RFC 6698, for SMTP RFC 7672) that a chain is not among, or will not be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors.problem import Problem
from agent.errors.wording import few
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.kept_key import KeptKey, KeyReuse, KeyRole, in_role, yet_to_serve
from agent.model.need import Need
from agent.model.records import UPLOADED
from agent.model.tlsa import PUBLIC_KEY, TRUST_ANCHOR, CertificateBytes, TlsaLook, TlsaRecord

KNOWN = {(usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1, 2)}
"""Numbers of records that mail servers go by."""


WITH_RENEWAL = "with the next renewal"
ONCE_KEPT = "once the present one has been kept for as long as the settings say"
WHEN_IT_GIVES_WAY = "when the chain that is served gives way to that of another key"
"""When the next key is used, a clause."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a module serves for a need."""

    certificates: tuple[CertificateBytes, ...]
    """Leaf first, as they are sent."""
    source: str
    renewal: datetime | None = None
    """When the next chain is asked for; None: it isn't planned."""

    @property
    def record(self) -> TlsaRecord:
        """The record that outlives its renewal where the key is kept."""
        return TlsaRecord.of_key(self.certificates[0].public)


@dataclass(frozen=True, slots=True)
class Subject:
    """A need whose chain clients judge by TLSA records of one name."""

    need: Need
    look: TlsaLook
    presented: Presented
    keep: KeyReuse | None
    """How long its key is kept."""
    keys: tuple[KeptKey, ...] = ()

    @property
    def records(self) -> tuple[TlsaRecord, ...]:
        """What DNS has."""
        return self.look.records or ()

    @property
    def accepting(self) -> list[TlsaRecord]:
        """The records for which clients take what is served."""
        return [each for each in self.records if each.accepts(self.presented.certificates)]

    @property
    def outlives_key(self) -> bool:
        """Whether a record of an authority takes the chain whatever its key is."""
        return any(each.usage == TRUST_ANCHOR for each in self.accepting)

    @property
    def place(self) -> str:
        """Module and slot."""
        return f"{self.need.module}/{self.need.slot}"


def of_dane(subjects: Iterable[Subject], now: datetime, remote: str = "") -> Iterator[Finding]:
    """Yield what is wrong with the TLSA records of each, or will be. Where a name has none, nothing is.

    `remote`: address of a resolver off this machine by which the answers may be; told once a module.
    """
    told: set[str] = set()
    for each in subjects:
        module = each.need.module
        if remote and each.records and each.look.authenticated and module not in told:
            told.add(module)
            yield Finding(SubjectKind.MODULE, module, Severity.NOTICE, vouched_from_afar(module, remote))
        if each.look.problem:
            yield _finding(each, Severity.NOTICE, not_asked(each.look))
        if each.records:
            yield from _of_records(each, now)


def _of_records(subject: Subject, now: datetime) -> Iterator[Finding]:
    look = subject.look
    effective = look.authenticated
    if not effective:
        yield _finding(subject, Severity.NOTICE, not_in_effect(look))
    unsuitable = [each for each in subject.records if (each.usage, each.selector, each.matching) not in KNOWN]
    if unsuitable:
        yield _finding(subject, Severity.NOTICE, unsuitable_records(look, unsuitable))
    if not subject.accepting:
        severity = Severity.ERROR if effective else Severity.WARNING
        yield _finding(subject, severity, mismatch(subject))
    elif not subject.outlives_key:
        yield from _of_renewal(subject, now, Severity.WARNING if effective else Severity.NOTICE)
    elif all(each.usage == TRUST_ANCHOR for each in subject.accepting):
        yield _finding(subject, Severity.NOTICE, by_authority(subject))


def _of_renewal(subject: Subject, now: datetime, severity: Severity) -> Iterator[Finding]:
    """Yield what breaks with the next renewal, as the records that are there name the leaf or its key."""
    uploaded = subject.presented.source == UPLOADED
    if not uploaded and all(each.selector != PUBLIC_KEY for each in subject.accepting):
        yield _finding(subject, severity, names_certificate(subject))
    elif subject.keep is not None:
        yield from _of_following(subject, subject.keep, now, severity)
    elif not uploaded:
        yield _finding(subject, severity, new_keys(subject))


def _of_following(subject: Subject, keep: KeyReuse, now: datetime, severity: Severity) -> Iterator[Finding]:
    """Yield which keys are served later that no record names."""
    served = subject.presented
    following = yet_to_serve(subject.keys, served.certificates[0].public)
    missing = [key for key in following if not any(each.names_key(key.public) for each in subject.records)]
    if not missing:
        return
    present = in_role(subject.keys, KeyRole.PRESENT)
    if present in missing:
        when, soon = WHEN_IT_GIVES_WAY, served.source != UPLOADED
    else:
        at = max(now, served.renewal or now)
        soon = present is not None and present not in following and keep.is_over(present, at)
        when = WITH_RENEWAL if soon else ONCE_KEPT
    yield _finding(subject, severity if soon else Severity.NOTICE, publish_next(subject, missing, when))


def _finding(subject: Subject, severity: Severity, problem: Problem) -> Finding:
    return Finding(SubjectKind.MODULE, subject.place, severity, problem, title=subject.look.owner)


def zone_line(owner: str, record: TlsaRecord) -> str:
    """Return a record as a line of a zone's file."""
    return f"{owner}. IN TLSA {record}"


def _publish(owner: str, *records: TlsaRecord) -> str:
    return f"Publish: {'; '.join(zone_line(owner, each) for each in records)}"


def _shown(records: Sequence[TlsaRecord]) -> str:
    return few([f"{each.kind} {each.data[:12]}..." for each in records])


def not_asked(look: TlsaLook) -> Problem:
    """Say that DNS could not be asked."""
    cause = f"DNS could not be asked for the TLSA records at {look.owner}: {look.problem}."
    effect = "A key that is kept stays in use meanwhile."
    return Problem("status.tlsa_not_asked", cause, fix="See [dane] resolvers.", effect=effect, retry_at=look.next_at)


def not_in_effect(look: TlsaLook) -> Problem:
    """Say that records are there which nobody has vouched for."""
    cause = (
        f"There are TLSA records at {look.owner}, but the resolver does not say that they are authentic (DNSSEC): "
        "DANE is not in effect, unless the resolver is one that verifies nothing."
    )
    fix = "Sign the zone, or name a resolver that verifies: resolvers in [dane]"
    return Problem("status.dane_not_in_effect", cause, fix=fix)


def vouched_from_afar(module: str, remote: str) -> Problem:
    """Say that what a resolver vouches for could be forged on its way here (RFC 4035 section 4.9.3)."""
    cause = (
        f"That the TLSA records of {module} are authentic is what the resolver at {remote} says, and on the way from there its "
        "answers could be forged."
    )
    fix = "Run a resolver that verifies on this machine, and name it: resolvers in [dane]"
    return Problem("status.dane_resolver_remote", cause, fix=fix)


def unsuitable_records(look: TlsaLook, records: Sequence[TlsaRecord]) -> Problem:
    """Say that some records are none that mail servers go by."""
    cause = (
        f"Of the TLSA records at {look.owner}, {_shown(records)} "
        f"{'is' if len(records) == 1 else 'are'} not for SMTP: mail servers go by the usages 2 and 3 alone (RFC 7672)."
    )
    return Problem("status.tlsa_unsuitable", cause, fix="Remove them.")


def mismatch(subject: Subject) -> Problem:
    """Say that no record is of what is served."""
    look = subject.look
    cause = (
        f"None of the TLSA records at {look.owner} ({_shown(subject.records)}) is of the chain that {subject.place} "
        "serves: servers that go by DANE don't deliver to it."
    )
    return Problem("status.tlsa_mismatch", cause, fix=_publish(look.owner, subject.presented.record))


def names_certificate(subject: Subject) -> Problem:
    """Say that a record will be wrong after each renewal, as it is of the certificate."""
    owner = subject.look.owner
    cause = (
        f"The TLSA records at {owner} that are of the chain of {subject.place} ({_shown(subject.accepting)}) name the "
        "certificate, which each renewal replaces: then servers that go by DANE don't deliver to it."
    )
    keep = "" if subject.keep else f' and set key = "keep" in [modules.{subject.need.module}]'
    return Problem("status.tlsa_of_certificate", cause, fix=_publish(owner, subject.presented.record) + keep)


def new_keys(subject: Subject) -> Problem:
    """Say that a record will be wrong after each renewal, as it brings a new key."""
    owner, module = subject.look.owner, subject.need.module
    cause = (
        f"The TLSA records at {owner} name the key of the chain of {subject.place}, and the next renewal brings a new "
        "key: then servers that go by DANE don't deliver to it."
    )
    return Problem("status.tlsa_new_keys", cause, fix=f'Set key = "keep" in [modules.{module}]')


def by_authority(subject: Subject) -> Problem:
    """Say that the CA may sign with another key next time."""
    owner = subject.look.owner
    cause = (
        f"The TLSA records at {owner} that are of the chain of {subject.place} ({_shown(subject.accepting)}) name an "
        f"authority of it: they are wrong once {subject.presented.source} delivers a chain of another one."
    )
    return Problem("status.tlsa_of_authority", cause, fix=_publish(owner, subject.presented.record))


def publish_next(subject: Subject, missing: Sequence[KeptKey], when: str) -> Problem:
    """Say what is to be published before the next key is used, and after which words: one of those above."""
    owner = subject.look.owner
    cause = f"The next key of {subject.place} is to be used {when}, and no TLSA record at {owner} names it."
    effect = "The present key is kept until DNS has it." if when == WITH_RENEWAL else ""
    fix = _publish(owner, *(TlsaRecord.of_key(each.public) for each in missing)) + ", beside those that are there"
    return Problem("status.tlsa_next", cause, fix=fix, effect=effect)
