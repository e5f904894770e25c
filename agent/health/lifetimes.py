"""Findings about what ends and that nothing renews by itself: uploaded chains, and the root."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.errors.problem import Problem
from agent.health import problems
from agent.health.handover import should_have_handed_over
from agent.health.roots import needs_successor, root_findings, which
from agent.health.snapshot import Snapshot
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.handover import ends_soon
from agent.model.records import UPLOADED, ChainRecord
from agent.model.root import RootPhase, RootRecord, in_phase
from agent.system.names import covers_all

UPLOAD_STAGES = (
    (timedelta(days=30), 3, Severity.NOTICE),
    (timedelta(days=14), 6, Severity.WARNING),
    (timedelta(days=7), 12, Severity.WARNING),
    (timedelta(days=1), 20, Severity.ERROR),
)
"""So long before its end, and at most such a part of its lifetime, an uploaded chain that is in use is spoken of so severely."""
ROOT_STAGES = ((timedelta(days=365), 3, Severity.WARNING), (timedelta(days=90), 12, Severity.ERROR))
"""The same for the root: clients have to be given its successor."""
Stages = tuple[tuple[timedelta, Severity], ...]


@dataclass
class Lifetimes:
    """Findings about ends, and when the next one begins."""

    now: datetime
    findings: list[Finding] = field(default_factory=list)
    changes_at: datetime | None = None

    def stage(self, end: datetime, stages: Stages) -> Severity | None:
        """Return how severely an end is spoken of now; the longest stage comes first."""
        begins = [(end - before, severity) for before, severity in stages]
        later = [at for at, _ in begins if at > self.now]
        if later:
            self.changes_at = min(filter(None, (self.changes_at, *later)))
        return next((severity for at, severity in reversed(begins) if at <= self.now), None)


def lifetimes(snapshot: Snapshot, now: datetime) -> Lifetimes:
    """Return what ends soon or has ended."""
    found = Lifetimes(now)
    found.findings += [*_uploads(snapshot, found), *_roots(snapshot, found), *root_findings(snapshot, now)]
    return found


def _uploads(snapshot: Snapshot, found: Lifetimes) -> Iterator[Finding]:
    bound = {binding.chain for binding in snapshot.bindings}
    for record in snapshot.chains:
        if record.source != UPLOADED:
            continue
        if record.id in bound and found.now < record.not_after:
            severity = found.stage(record.not_after, _stages(record, UPLOAD_STAGES))
            if severity is not None and not should_have_handed_over(snapshot, record, found.now):
                yield _upload(record, severity, problems.upload_ends(record.not_after))
        elif ends_soon(record, found.now) and record.good(found.now) and _is_missed(record, snapshot):
            yield _upload(record, Severity.WARNING, problems.upload_gave_way(record.not_after))
        elif found.now >= record.not_after and _is_missed(record, snapshot):
            yield _upload(record, Severity.WARNING, problems.upload_ended(record.not_after, record.id))


def _stages(record: ChainRecord | RootRecord, stages: Iterable[tuple[timedelta, int, Severity]]) -> Stages:
    lifetime = record.not_after - record.not_before
    return tuple((min(longest, lifetime / part), severity) for longest, part, severity in stages)


def _is_missed(record: ChainRecord, snapshot: Snapshot) -> bool:
    """Whether something else serves what an upload that has ended would serve, and no newer upload does."""
    uploads = {each.id for each in snapshot.chains if each.source == UPLOADED}
    bound = {binding.key: binding.chain for binding in snapshot.bindings}
    return any(
        covers_all(record.names, need.names) and bound.get(need.key) not in uploads - {record.id}
        for need in snapshot.needs
        if need.sources is None or UPLOADED in need.sources
    )


def _upload(record: ChainRecord, severity: Severity, problem: Problem) -> Finding:
    begins = record.not_after - _stages(record, UPLOAD_STAGES)[0][0]
    since = max(begins, record.created_at or begins)
    return Finding(SubjectKind.UPLOAD, record.id, severity, problem, since, ", ".join(record.names[:2]))


def _roots(snapshot: Snapshot, found: Lifetimes) -> Iterator[Finding]:
    for root in (snapshot.root, in_phase(snapshot.roots, RootPhase.SIGNING, beside=True)):
        if root is None or not needs_successor(snapshot, root, found.now):
            continue
        stages = _stages(root, ROOT_STAGES)
        severity = found.stage(root.not_after, stages)
        if severity is not None:
            problem = problems.root_ends(root.not_after, of=which(snapshot.roots, root))
            since = root.not_after - stages[0][0]
            yield Finding(SubjectKind.ROOT, root.sha256, severity, problem, since, root.subject)
