"""Findings about chains in use that the judge let in with a warning, or of which their source had something to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.errors.problem import Problem
from agent.health.snapshot import Snapshot
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.records import UPLOADED, ChainRecord
from agent.pki.judgement import EVERY_CLIENT, INCOMPLETE, Objection

TRUST = "Put the root certificate of its CA into /etc/chainwright/trust/, or have the CA deliver all intermediates."
ASK = "Ask the certificate authority for a chain that these clients accept, and upload it in place of this one."
OWN_ROOT = "Make or upload another root: chainwright root reissue, or chainwright root upload"
CURES = {
    INCOMPLETE: TRUST,
    "chain.addresses_as_names": "Ask for a certificate with the addresses as IP addresses among its alternative names.",
    "chain.empty_subject": "Ask for a certificate with a common name, or whose alternative names are critical.",
    "chain.long_life": "Ask for a certificate that is valid for at most 398 days.",
    "chain.must_staple": "Ask for a certificate without the TLS feature status_request (must-staple), from an issuer without it.",
    "chain.no_san": "Ask for a certificate with the service's names as subject alternative names.",
    "chain.root_for_any": "Have the root made again with serverAuth in its extended key usage, or without one.",
    "chain.trailing_dot": "Ask for a certificate whose names do not end with a dot.",
    "chain.unusual_key": "Ask for a chain in which every key is ECDSA P-256 or P-384, or RSA.",
    "chain.unusual_signature": "Ask for a chain that is signed with SHA-256 or SHA-384, by ECDSA or RSA.",
    "chain.unusable_names": "Ask for a certificate without these names.",
}
"""What to do, by code."""

STRICT_ONLY = frozenset({"chain.no_aki", "chain.no_ski"})
"""Codes of what nobody refuses but verifiers that were told to be strict (RFC 5280 sections 4.2.1.1 and 4.2.1.2)."""


def chain_warnings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what is known against chains that are in use."""
    bound = {binding.chain for binding in snapshot.bindings}
    for record in snapshot.chains:
        if record.warnings and record.id in bound:
            yield from (_finding(record, each) for each in record.warnings)


def root_warnings(sha256: str, subject: str, objections: Iterable[Objection]) -> Iterator[Finding]:
    """Yield what some clients refuse in a root, for which they refuse all that it signs."""
    for each in objections:
        severity = Severity.NOTICE if each.code in STRICT_ONLY or not each.clients else Severity.WARNING
        problem = Problem(each.code, f"{_sentence(each)}, and so all that it signs.", fix=OWN_ROOT)
        yield Finding(SubjectKind.ROOT, sha256, severity, problem, title=subject)


def _sentence(objection: Objection) -> str:
    return f"{objection.sentence[:1].upper()}{objection.sentence[1:]}"


def _finding(record: ChainRecord, objection: Objection) -> Finding:
    kind = SubjectKind.UPLOAD if record.source == UPLOADED else SubjectKind.CHAIN
    title = ", ".join(record.names[:2])
    return Finding(kind, record.id, _severity(record, objection), _problem(record, objection), record.created_at, title)


def _severity(record: ChainRecord, objection: Objection) -> Severity:
    """What some clients refuse, somebody should change, unless it is the key's type that a module asks the own root for.

    A root that isn't known here is for many a private CA as it should be; a leaf alone is not.
    """
    if objection.code == INCOMPLETE:
        return Severity.WARNING if len(record.fingerprints) == 1 else Severity.NOTICE
    if objection.code in STRICT_ONLY:
        return Severity.NOTICE
    foreign = record.root is None or objection.certificate not in record.names
    refused = objection.clients == EVERY_CLIENT or (objection.clients and foreign)
    return Severity.WARNING if refused else Severity.NOTICE


def _problem(record: ChainRecord, objection: Objection) -> Problem:
    refused = f": {objection.clients} would refuse it" if objection.clients == EVERY_CLIENT else ""
    fix = CURES.get(objection.code, ASK) if objection.clients or objection.code == INCOMPLETE else ""
    if fix and record.root is not None:
        fix = OWN_ROOT if objection.certificate not in record.names else ""
    return Problem(objection.code, f"{_sentence(objection)}{refused}.", fix=fix)
