"""A TXT record that is to prove a name by dns-persist-01 is missing, or is not what the CA looks for."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from agent.errors.acme import WHERE
from agent.errors.source import SourceError
from agent.errors.wording import quoted

SET = "Set this TXT record at {owner}: {value}"
REPLACE = "Write instead: {value}"


class PersistError(SourceError):
    """Nothing was asked for `name` by dns-persist-01. `value` is the record to be set at `owner`."""

    code = "source.persist"
    counts = False
    where = WHERE
    fix = REPLACE
    name: str
    """As it is ordered, perhaps with ``*.``."""
    owner: str
    value: str
    retry_at: datetime

    @cached_property
    def failed(self) -> frozenset[str]:
        """The name that it is about."""
        return frozenset({self.name})


class RecordMissing(PersistError):
    """The zone has no record that is meant for this CA."""

    code = "source.persist_missing"
    cause = "There is no TXT record for {ca} at {owner}{shown:? (there are others: %)}."
    fix = SET
    ca: str
    others: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        """What is there for other CAs."""
        return [quoted(each[:60]) for each in self.others[:2]]


class RecordElsewhere(PersistError):
    """The record was set at another name: in most cases one to which a DNS console has added the zone's name once more."""

    code = "source.persist_elsewhere"
    cause = "The TXT record for {ca} is at {found}, where no CA looks for it: it belongs at {owner}."
    fix = "{cure}: {value}"
    ca: str
    found: str
    entered: str = ""
    """What is to be typed into a DNS console that adds the zone's name; empty: the name itself."""

    @property
    def cure(self) -> str:
        """How it gets to its place."""
        if not self.entered:
            return f"Set it at {self.owner} instead"
        return f"The DNS console adds the zone's name by itself. Set it there with the name {self.entered}"


class OtherAccount(PersistError):
    """The record is of another account: one before this one, or of another machine."""

    code = "source.persist_account"
    cause = "The TXT record at {owner} names another account, {found:quoted}, not {expected}."
    fix = "Write, instead or beside it: {value}"
    found: str
    expected: str


class OtherDraft(PersistError):
    """The record names an account in the way of another draft of dns-persist-01."""

    code = "source.persist_draft"
    cause = "The TXT record at {owner} names an account by {form}, {found:quoted}, and {ca} goes by {expected}."
    form: str
    found: str
    ca: str
    expected: str


class OtherIssuer(PersistError):
    """The record has this account, and a CA that is not the one that is asked."""

    code = "source.persist_issuer"
    cause = "The TXT record at {owner} names {found:quoted} as the CA, and {ca} goes by {issuers:few}."
    found: str
    ca: str
    issuers: tuple[str, ...]


class CapitalLetters(PersistError):
    """Some CAs compare letter by letter."""

    code = "source.persist_capitals"
    cause = (
        "The TXT record at {owner} has {found:quoted} where it has to be {expected}: not every CA takes other letters."
    )
    found: str
    expected: str


class TrailingSemicolon(PersistError):
    """The grammar has none (RFC 8659 section 4.2), and some CAs refuse it."""

    code = "source.persist_semicolon"
    cause = "The TXT record at {owner} ends with a semicolon, which not every CA takes."


class SeveralStrings(PersistError):
    """The record is cut into strings, though it would fit into one."""

    code = "source.persist_strings"
    cause = "The TXT record at {owner} has {octets} octets in {strings} strings, and not every CA reads more than the first."
    fix = "Write it as one string: {value}"
    octets: int
    strings: int


class WildcardUnproved(PersistError):
    """The record proves the name itself, not its wildcard."""

    code = "source.persist_policy"
    cause = "The TXT record at {owner} has no policy=wildcard, so it does not prove {name}."


class ParameterRepeated(PersistError):
    """A CA can't know which of the two counts."""

    code = "source.persist_repeated"
    cause = "The TXT record at {owner} has {parameter} more than once."
    parameter: str


class UntilUnreadable(PersistError):
    """The end is no number of seconds."""

    code = "source.persist_until"
    cause = "The TXT record at {owner} says persistUntil={found:quoted}, which is no number of seconds since 1970."
    found: str


class RecordExpired(PersistError):
    """The record says itself that it is over."""

    code = "source.persist_expired"
    cause = "The TXT record at {owner} has ended at {until:time} (persistUntil)."
    until: datetime


class AccountMissing(PersistError):
    """The record does not say for which account it is."""

    code = "source.persist_no_account"
    cause = "The TXT record at {owner} has no accounturi."


class RecordUnreadable(PersistError):
    """The record has another form."""

    code = "source.persist_unreadable"
    cause = "The TXT record at {owner} can't be read: {reason}."
    reason: str


class SeenInPart(PersistError):
    """Some of the zone's servers have the record, others do not: a CA may ask any of them."""

    code = "source.persist_in_part"
    cause = "The TXT record at {owner} is seen at {seen} of {servers} servers of its zone, not at {missing}."
    fix = "Wait until all of them have it, or see why they don't: {value}"
    seen: int
    servers: int
    missing: str
    """A server, and what it says."""


class ServersSilent(PersistError):
    """None of the zone's servers said anything of the record."""

    code = "source.persist_silent"
    cause = "It is not known whether {owner} has its TXT record: {reason}."
    fix = "It is looked for again by itself. It has to be: {value}"
    reason: str


class IssuersDiffer(PersistError):
    """The CA goes by other names than it said before, or than were expected."""

    code = "source.persist_challenge"
    cause = "{ca} looks for {wanted} in the TXT record at {owner}, which has {found}."
    fix = "Write, instead or beside it: {value}"
    ca: str
    wanted: tuple[str, ...]
    found: str


class ChallengeUnusable(PersistError):
    """What the CA says of the challenge can't be gone by."""

    code = "source.persist_malformed"
    cause = "The challenge of {ca} for {name} can't be used: {reason}."
    fix = "See what the CA says of dns-persist-01, or let the name be proved otherwise: challenges in its table"
    ca: str
    reason: str


class NotTaken(SourceError):
    """The CA has said that it takes such records later, and its directory does not announce it yet."""

    code = "source.persist_not_taken"
    cause = "{ca} does not take dns-persist-01 yet: its directory does not announce it."
    where = WHERE
    fix = "It is looked for by itself. Until then let names be proved otherwise, for example by [dns.NAME]"
    ca: str


class IssuersUnknown(SourceError):
    """The CA does not say by which names it goes, so that no record can be made before an order."""

    code = "source.persist_no_issuers"
    cause = "{ca} names neither issuerDomainNames nor caaIdentities in its directory, so no record can be made for it."
    where = WHERE
    fix = "Let names be proved otherwise: challenges in its table"
    ca: str


class AccountUnwritable(SourceError):
    """The address of the account has characters that end a record's value, or is longer than people can enter."""

    code = "source.persist_account_url"
    cause = "{ca} gives the account the address {url:quoted}, which no TXT record for dns-persist-01 can hold."
    where = WHERE
    fix = "Let names be proved otherwise: challenges in its table"
    ca: str
    url: str
