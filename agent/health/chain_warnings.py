"""Findings about chains in use that the judge let in with a warning, or of which their source had something to say."""

from __future__ import annotations

from collections.abc import Iterator

from agent.errors.problem import Problem
from agent.health.snapshot import Snapshot
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.records import UPLOADED, ChainRecord
from agent.pki.judgement import EVERY_CLIENT, INCOMPLETE, Objection

TRUST = "Put the root certificate of its CA into /etc/chainwright/trust/, or have the CA deliver all intermediates."

STRICT_ONLY = frozenset({"chain.no_aki", "chain.no_ski"})
"""Codes of what nobody refuses but verifiers that were told to be strict (RFC 5280 sections 4.2.1.1 and 4.2.1.2)."""


def chain_warnings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what is known against chains that are in use."""
    bound = {binding.chain for binding in snapshot.bindings}
    for record in snapshot.chains:
        if record.warnings and record.id in bound:
            yield from (_finding(record, each) for each in record.warnings)


def _finding(record: ChainRecord, objection: Objection) -> Finding:
    kind = SubjectKind.UPLOAD if record.source == UPLOADED else SubjectKind.CHAIN
    title = ", ".join(record.names[:2])
    return Finding(kind, record.id, _severity(record, objection), _problem(objection), record.created_at, title)


def _severity(record: ChainRecord, objection: Objection) -> Severity:
    """What some clients refuse, somebody should change, unless it is the type of key that a module asks the own root for.

    A root that isn't known here is for many a private CA as it should be; a leaf alone is not.
    """
    if objection.code == INCOMPLETE:
        return Severity.WARNING if len(record.fingerprints) == 1 else Severity.NOTICE
    if objection.code in STRICT_ONLY:
        return Severity.NOTICE
    refused = objection.clients == EVERY_CLIENT or (objection.clients and record.root is None)
    return Severity.WARNING if refused else Severity.NOTICE


def _problem(objection: Objection) -> Problem:
    sentence = f"{objection.sentence[:1].upper()}{objection.sentence[1:]}"
    refused = f": {objection.clients} would refuse it" if objection.clients == EVERY_CLIENT else ""
    fix = TRUST if objection.code == INCOMPLETE else ""
    return Problem(objection.code, f"{sentence}{refused}.", fix=fix)
