"""Whether this CA may issue: CAA records (RFC 8659) with the parameters of RFC 8657."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import dns.name
from dns.rdatatype import CAA

from agent.dns.answer import DnsAnswer, View, plain
from agent.dns.exchange import Budget
from agent.errors.acme import AGAIN
from agent.sources.acme.preflight.findings import Finding, listed

CRITICAL = 0x80
"""Issuer critical flag (RFC 8659 section 4.1)."""
MISTAKEN = 0x01
"""Many write it for the critical flag, and CAs know that."""
UNDERSTOOD = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc"})
"""Properties that every CA knows; the last two (RFC 9495, VMC) are about something else."""
OF_SOME_CAS = frozenset({"contactemail", "contactphone"})
"""CA/Browser Forum Baseline Requirements, appendix A.1: not every CA knows them."""

ISSUER = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|", re.IGNORECASE)
TAG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
VALUE = re.compile(r"[!-:<-~]*")
METHODS = re.compile(r"[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*")
BLANK = " \t"
ACCOUNT, METHOD = "accounturi", "validationmethods"
SHOWN = 160
"""Characters of a record that a sentence shows."""


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who asks for a certificate, of whom, and how it will prove that it may."""

    identities: tuple[str, ...]
    """Names by which CAA records allow the CA: its directory's ``caaIdentities``."""
    account: str
    """URL of the account."""
    methods: tuple[str, ...] = ("http-01",)


@dataclass(frozen=True, slots=True)
class Permission:
    """The value of an issue or issuewild property (RFC 8659 section 4.2)."""

    issuer: str
    """In lower case; empty: nobody."""
    parameters: tuple[tuple[str, str], ...] = ()

    def values(self, tag: str) -> list[str]:
        """Return what a parameter is set to, each time it occurs."""
        return [value for each, value in self.parameters if each == tag]


@dataclass(frozen=True, slots=True)
class Property:
    """A CAA record."""

    flags: int
    tag: str
    text: str
    """As it is written in a zone's file."""
    permission: Permission | None
    """None: it isn't one, or can't be read, which allows nobody."""


def read_permission(value: str) -> Permission | None:
    """Read an issue or issuewild property's value; None if it isn't of the form of RFC 8659 section 4.2."""
    issuer, semicolon, rest = value.partition(";")
    issuer = issuer.strip(BLANK)
    if not ISSUER.fullmatch(issuer):
        return None
    if not semicolon or not rest.strip(BLANK):
        return Permission(issuer.lower())
    found = [_parameter(each) for each in rest.split(";")]
    parameters = tuple(each for each in found if each is not None)
    return Permission(issuer.lower(), parameters) if len(parameters) == len(found) else None


def _parameter(text: str) -> tuple[str, str] | None:
    tag, equals, value = text.partition("=")
    tag, value = tag.strip(BLANK), value.strip(BLANK)
    return (tag, value) if equals and TAG.fullmatch(tag) and VALUE.fullmatch(value) else None


def relevant_records(name: dns.name.Name, view: View, budget: Budget) -> DnsAnswer | None:
    """Climb from `name` to the first ancestor that has CAA records (RFC 8659 section 3). Raises `Unanswered`.

    The answer's `name` is that ancestor; where it's an alias, the records are those of the alias's target, and the climb
    goes on at the ancestor's own parent.
    """
    found = view.look_up(name, CAA, budget)
    while not found.records:
        name = name.parent()
        if name == dns.name.root:
            return None
        found = view.recall(name, CAA, budget)
    return found


class Why(Enum):
    """Why a property doesn't allow the CA to issue, the nearest miss first."""

    METHOD = "method"
    ACCOUNT = "account"
    UNREADABLE = "unreadable"
    OTHER = "another CA"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A property that doesn't allow this CA to issue to this account."""

    property: Property
    why: Why
    certain: bool = True


def judge(name: str, found: DnsAnswer, applicant: Applicant, *, certain: bool) -> Finding | None:
    """Return why the CA must refuse `name`, given the relevant records and that it has identities; None: it may issue."""
    properties = [read_property(each) for each in found.records]
    for each in properties:
        if _is_unknown(each):
            return _unknown(name, found, each, certain=certain and _is_critical_to_all(each))
    wild = [each for each in properties if each.tag == "issuewild"] if name.startswith("*.") else []
    binding = wild or [each for each in properties if each.tag == "issue"]
    refusals = [_refusal(each, applicant) for each in binding]
    refused = [each for each in refusals if each is not None]
    if not binding or len(refused) < len(refusals):
        return None
    return _refused(name, found, refused, applicant, certain=certain and all(each.certain for each in refused))


def read_property(record: Any) -> Property:
    """Return a CAA record of dnspython as data; its tag counts in any case (RFC 8659 section 4.1)."""
    tag = record.tag.decode("ascii", "replace").lower()
    value = record.value.decode("ascii", "replace")
    return Property(record.flags, tag, _shortened(record.to_text()), read_permission(value))


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _is_unknown(each: Property) -> bool:
    return bool(each.flags & (CRITICAL | MISTAKEN)) and each.tag not in UNDERSTOOD


def _is_critical_to_all(each: Property) -> bool:
    return bool(each.flags & CRITICAL) and each.tag not in OF_SOME_CAS


def _refusal(each: Property, applicant: Applicant) -> Refusal | None:
    permission = each.permission
    if permission is None:
        return Refusal(each, Why.UNREADABLE)
    if permission.issuer not in {identity.lower() for identity in applicant.identities}:
        return Refusal(each, Why.OTHER)
    if not _allows_method(permission, applicant.methods):
        return Refusal(each, Why.METHOD)
    accounts = permission.values(ACCOUNT)
    if accounts and accounts != [applicant.account]:
        return Refusal(each, Why.ACCOUNT, certain=not _may_be_ours(accounts, applicant.account))
    return None


def _allows_method(permission: Permission, methods: Sequence[str]) -> bool:
    """RFC 8657 section 4; twice is unsatisfiable as `accounturi` is (section 3)."""
    allowed = permission.values(METHOD)
    if len(allowed) != 1:
        return not allowed
    return bool(METHODS.fullmatch(allowed[0])) and not set(methods).isdisjoint(allowed[0].split(","))


def _may_be_ours(accounts: Sequence[str], ours: str) -> bool:
    """Whether the CA may know our account by that URL: it may have had others, ending in the same number, in the past."""
    return len(accounts) == 1 and (not ours or accounts[0].rpartition("/")[2] == ours.rpartition("/")[2])


# What is said of it


def _place(found: DnsAnswer) -> str:
    """Return where the records are."""
    if not found.aliases:
        return plain(found.name)
    return f"{plain(found.target)}, which {plain(found.name)} is an alias of,"


def _unknown(name: str, found: DnsAnswer, each: Property, *, certain: bool) -> Finding:
    cause = f"{_place(found)} has a CAA record that is marked critical, and whose kind CAs don't know: {each.text}."
    return Finding(name, "caa", cause, f"Remove it, or set its flags to 0, {AGAIN}", certain)


def _refused(
    name: str, found: DnsAnswer, refused: Sequence[Refusal], applicant: Applicant, *, certain: bool
) -> Finding:
    nearest = min(refused, key=lambda each: [*Why].index(each.why))
    if nearest.why is Why.OTHER:
        shown = listed([each.property.text for each in refused])
        cause = (
            f"{_place(found)} has CAA records that do not allow {applicant.identities[0]} to issue for {name}: {shown}."
        )
        verb, beside = "Add", " beside them"
    else:
        cause = f"The CAA record of {_place(found)} {_nearly(nearest, applicant)}: {nearest.property.text}."
        verb, beside = "Change it to", ""
    record = f"{found.target.to_text()} IN CAA {_cure(nearest, applicant)}"
    return Finding(name, "caa", cause, f"{verb} the record {record}{beside}, {AGAIN}", certain)


def _nearly(nearest: Refusal, applicant: Applicant) -> str:
    permission = nearest.property.permission
    if permission is None:
        return "is not of the form that CAs read, and so allows nobody"
    others = {Why.METHOD: f"with other methods than {', '.join(applicant.methods)}", Why.ACCOUNT: "for another account"}
    return f"{'allows' if nearest.certain else 'seems to allow'} {permission.issuer} only {others[nearest.why]}"


def _cure(nearest: Refusal, applicant: Applicant) -> str:
    """Return the record's data as it should be."""
    permission = nearest.property.permission
    if nearest.why is Why.OTHER or permission is None:
        return f'0 {nearest.property.tag} "{applicant.identities[0]}"'
    wanted = {ACCOUNT: applicant.account, METHOD: _methods(permission, applicant.methods)}
    parameters = dict.fromkeys(tag for tag, _value in permission.parameters)
    values = [(tag, wanted.get(tag, permission.values(tag)[0])) for tag in parameters]
    text = "; ".join([permission.issuer, *(f"{tag}={value}" for tag, value in values if value)])
    return f'{nearest.property.flags} {nearest.property.tag} "{text}"'


def _methods(permission: Permission, methods: Sequence[str]) -> str:
    present = [each for value in permission.values(METHOD) for each in value.split(",") if METHODS.fullmatch(each)]
    return ",".join(present if set(present) & set(methods) else [*present, *methods])
