"""Whether what is in the zone proves a name by dns-persist-01, and if not, why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.errors.persist import (
    AccountMissing,
    CapitalLetters,
    OtherAccount,
    OtherDraft,
    OtherIssuer,
    ParameterRepeated,
    PersistError,
    RecordExpired,
    RecordMissing,
    RecordUnreadable,
    SeveralStrings,
    TrailingSemicolon,
    UntilUnreadable,
    WildcardUnproved,
)
from agent.model.persistent import LONGEST_STRING, WILDCARD, PersistentRecord, domain_of
from agent.sources.acme.persist.account import PersistAccount
from agent.sources.acme.persist.reading import Found, NoIssueValue, read_record
from agent.sources.acme.persist.record import record_of

ACCOUNT, POLICY, UNTIL = "accounturi", "policy", "persistUntil"
KNOWN = (ACCOUNT, POLICY, UNTIL)
HASHED = "sha-256/"
"""In the account of draft -02."""
Strings = tuple[str, ...]
"""The strings of one TXT record."""
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name that is to be proved for an account."""

    name: str
    """As it is ordered: perhaps with ``*.``."""
    account: PersistAccount
    now: datetime
    retry_at: datetime
    """When it is looked at again."""
    shares: bool = False
    """The record is to prove ``*.`` of it too."""

    @property
    def domain(self) -> str:
        """Whose record it is."""
        return domain_of(self.name)

    @property
    def wildcard(self) -> bool:
        """Whether the record needs ``policy=wildcard``."""
        return self.name.startswith(WILDCARD)

    @property
    def record(self) -> PersistentRecord:
        """The record that proves it."""
        return record_of(self.domain, self.account, wildcard=self.wildcard or self.shares)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the records of one server prove."""

    error: PersistError | None = None
    """Why they don't; None: they do."""
    until: datetime | None = None
    """When the record ends that lasts longest; None: none of those that prove it ends."""
    issuer: str = ""
    """Name of the CA in the record that proves it."""


def judge(records: Sequence[Strings], wanted: Wanted) -> Judgement:
    """Return whether one of the records proves the name: others beside it do no harm; else what is wrong with the nearest."""
    judged = [_judge(each, wanted) for each in records]
    good = [each for _, each in judged if each.error is None]
    if good:
        return max(good, key=lambda each: each.until or LATEST)
    near = sorted((each for each in judged if each[0]), key=lambda each: each[0], reverse=True)
    if near:
        return near[0][1]
    shown = tuple("".join(each) for each in records)
    return Judgement(RecordMissing(*_about(wanted), wanted.account.ca or wanted.account.issuers[0], shown))


def is_meant(records: Sequence[Strings], wanted: Wanted) -> bool:
    """Whether one of the records is for the CA and the account of `wanted`, right or not."""
    return any(_judge(each, wanted)[0] == OURS for each in records)


FOREIGN, UNREADABLE, NEAR, OURS = range(4)
"""How near a record is to being ours: for others, perhaps ours, one of both names ours, both ours."""


def _judge(strings: Strings, wanted: Wanted) -> tuple[int, Judgement]:
    try:
        found = read_record(strings)
    except NoIssueValue as reason:
        ours = any(each in "".join(strings).lower() for each in wanted.account.issuers)
        return (UNREADABLE if ours else FOREIGN), Judgement(RecordUnreadable(*_about(wanted), str(reason)))
    account = wanted.account
    ours = found.issuer.lower() in account.issuers
    of_account = any(each in account.uris_for(wanted.domain) for each in found.values(ACCOUNT))
    if not ours:
        other = OtherIssuer(*_about(wanted), found.issuer, account.ca or account.issuers[0], account.issuers)
        return (NEAR if of_account else FOREIGN), Judgement(other)
    return (OURS if of_account else NEAR), Judgement(_flaw(found, wanted), _until(found), found.issuer)


def _flaw(found: Found, wanted: Wanted) -> PersistError | None:
    """Return what is wrong with a record for this CA, what is nearest to its beginning first."""
    about = _about(wanted)
    if found.issuer != found.issuer.lower():
        return CapitalLetters(*about, found.issuer, found.issuer.lower())
    for tag in KNOWN:
        written = found.written(tag)
        if len(written) > 1:
            return ParameterRepeated(*about, tag)
        if written and written != [tag]:
            return CapitalLetters(*about, written[0], tag)
    return _flaw_of_account(found, wanted) or _flaw_of_extent(found, wanted) or _flaw_of_form(found, wanted)


def _flaw_of_account(found: Found, wanted: Wanted) -> PersistError | None:
    about, right = _about(wanted), wanted.account
    account = next(iter(found.values(ACCOUNT)), None)
    if account is None:
        return AccountMissing(*about)
    if account in right.uris_for(wanted.domain):
        return None
    hashed, hashes = HASHED in account, bool(right.hash_prefix)
    if hashed != hashes and (hashed or account == right.url):
        forms = ("its URL", "its hash")
        return OtherDraft(*about, forms[hashed], account, right.ca or found.issuer, forms[hashes])
    return OtherAccount(*about, account, right.uri_for(wanted.domain))


def _flaw_of_extent(found: Found, wanted: Wanted) -> PersistError | None:
    about = _about(wanted)
    policy = next(iter(found.values(POLICY)), "")
    if wanted.wildcard and policy.lower() != "wildcard":
        return WildcardUnproved(*about)
    if wanted.wildcard and policy != "wildcard":
        return CapitalLetters(*about, f"policy={policy}", "policy=wildcard")
    said = next(iter(found.values(UNTIL)), None)
    until = _until(found)
    if said is not None and until is None:
        return UntilUnreadable(*about, said)
    return RecordExpired(*about, until) if until is not None and until <= wanted.now else None


def _flaw_of_form(found: Found, wanted: Wanted) -> PersistError | None:
    if found.trailing:
        return TrailingSemicolon(*_about(wanted))
    if len(found.strings) > 1 and len(wanted.record.value) <= LONGEST_STRING:
        return SeveralStrings(*_about(wanted), found.octets, len(found.strings))
    return None


def _until(found: Found) -> datetime | None:
    """Return when a record ends; None: never, or it can't be read."""
    said = next(iter(found.values(UNTIL)), "")
    if not (said.isascii() and said.isdecimal()):
        return None
    try:
        return datetime.fromtimestamp(int(said), UTC)
    except (ValueError, OverflowError, OSError):
        return LATEST


def _about(wanted: Wanted) -> tuple[str, str, str, datetime]:
    """Return what every error begins with."""
    record = wanted.record
    return wanted.name, record.owner, record.value, wanted.retry_at
