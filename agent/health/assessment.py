"""Health of an appliance: the one place where it is decided whether all is well.

Exit codes, status, API, page, results of jobs and what systemd is told take it from here, so they can't disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors.deploy import NotIncluded, StartFailed
from agent.errors.plugin import PolicyMissing
from agent.errors.problem import Problem
from agent.health import problems
from agent.health.certificates import Certificates
from agent.health.chain_warnings import chain_warnings
from agent.health.lifetimes import lifetimes
from agent.health.names import names
from agent.health.observations import of_observations
from agent.health.pins import pins
from agent.health.restarts import of_restarts
from agent.health.snapshot import Progress, Snapshot
from agent.health.states import ModuleState, Status, severity_of, severity_of_module, worst
from agent.health.uses import ServiceState, Uses
from agent.model.binding import Binding
from agent.model.deployment import Outcome
from agent.model.finding import SEVEREST_FIRST, Finding, Severity, SubjectKind, to_act_on
from agent.model.handover import turning_points
from agent.model.need import Need
from agent.model.records import ChainRecord
from agent.model.root import RootPhase, in_phase
from agent.store.modules import ModuleRecord

SHOWN_NAMES = 2
OF_CHAINS = {SubjectKind.CHAIN, SubjectKind.UPLOAD}
"""Subjects that are the id of a chain."""
GENERAL = {SubjectKind.MODULE, SubjectKind.PLUGIN}
"""Subjects whose problem is often that of what they serve, or of their modules."""
Began = Mapping[tuple[str, str], datetime]
"""Code and cause of what is wrong at endpoints -> since when."""
GOOD = {Status.VALID, Status.LOCAL_BY_DESIGN}


@dataclass(frozen=True, slots=True)
class ChainHealth:
    """Health of one chain: the worse of its certificate and of its deployments."""

    record: ChainRecord
    status: Status
    problem: Problem | None
    uses: tuple[ServiceState, ...]
    next_action_at: datetime | None
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class NeedHealth:
    """Health of one need: whether it has a chain."""

    need: Need
    chain: str | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class ModuleHealth:
    """Health of one module."""

    record: ModuleRecord
    state: ModuleState
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Health:
    """Health of an appliance, and of each chain, need and module."""

    findings: tuple[Finding, ...]
    """The severest first; nothing is said twice."""
    chains: tuple[ChainHealth, ...]
    needs: tuple[NeedHealth, ...]
    modules: tuple[ModuleHealth, ...]
    changes_at: datetime | None
    """When time alone changes the findings next; None: never."""

    @property
    def degraded(self) -> bool:
        """Whether somebody should act: exit code 3."""
        return bool(to_act_on(self.findings))


def _of_present_roots(snapshot: Snapshot) -> list[Finding]:
    """Return the conditions, without those of a root that another one has replaced."""
    beside = in_phase(snapshot.roots, RootPhase.SIGNING, beside=True)
    present = {each.sha256 for each in (snapshot.root, beside) if each is not None}
    return [each for each in snapshot.conditions if each.kind is not SubjectKind.ROOT or each.subject in present]


def health(snapshot: Snapshot, now: datetime) -> Health:
    """Return the health at `now`. Pure."""
    ending, named = lifetimes(snapshot, now), names(snapshot, now)
    noted = [*_of_present_roots(snapshot), *ending.findings, *chain_warnings(snapshot)]
    assessment = _Assessment(snapshot, now, noted)
    chains, needs, modules = assessment.chains(), assessment.needs(), assessment.modules()
    began = _began(snapshot)
    found = [
        *noted,
        *_of_pass(snapshot, now),
        *_of_evidence(snapshot, now),
        *pins(snapshot, now),
        *named.findings,
        *of_observations(snapshot.observed, now),
        *of_restarts(snapshot.restarts, now),
        *(finding for each in needs for finding in _of_need(each)),
        *(finding for each in chains for finding in _of_chain(each, began, now)),
        *(finding for each in modules for finding in _of_module(each, snapshot, began)),
        *_of_retiring(snapshot),
    ]
    instants = [
        ending.changes_at,
        named.changes_at,
        *(at for each in chains if each.uses for at in turning_points(each.record)),
    ]
    changes_at = min((at for at in instants if at and at > now), default=None)
    return Health(tuple(_once(found)), chains, needs, modules, changes_at)


class _Assessment:
    """Assessment of each chain, need and module."""

    def __init__(self, snapshot: Snapshot, now: datetime, noted: Sequence[Finding]) -> None:
        """`noted`: what is known beside the rows."""
        self._snapshot = snapshot
        self._noted = {each.subject: each for each in noted if each.kind in OF_CHAINS and each.severity.degrades}
        self._uses = Uses(snapshot)
        self._certificates = Certificates(snapshot, now)
        self._bound: dict[str, list[Binding]] = defaultdict(list)
        for binding in snapshot.bindings:
            if binding.chain is not None:
                self._bound[binding.chain].append(binding)

    def chains(self) -> tuple[ChainHealth, ...]:
        return tuple(self._chain(record) for record in self._snapshot.chains)

    def needs(self) -> tuple[NeedHealth, ...]:
        bound = {binding.key: binding for binding in self._snapshot.bindings}
        return tuple(self._need(need, bound.get(need.key)) for need in self._snapshot.needs)

    def modules(self) -> tuple[ModuleHealth, ...]:
        return tuple(ModuleHealth(record, *self._uses.module(record)) for record in self._snapshot.modules)

    def _need(self, need: Need, binding: Binding | None) -> NeedHealth:
        chain = binding.chain if binding else None
        if chain is not None:
            return NeedHealth(need, chain, None)
        failure = self._certificates.failure_of(need.key)
        reason = binding.reason if binding else ""
        return NeedHealth(need, None, failure or problems.no_chain(need.module, need.slot, reason))

    def _chain(self, record: ChainRecord) -> ChainHealth:
        bindings = self._bound[record.id]
        states = [self._uses.bound(binding) for binding in bindings]
        states += [*self._uses.standing_in(record.id), *self._uses.refused(record.id)]
        status, problem = self._label(record, bindings, states)
        retries = self._uses.retries(record.id)
        return ChainHealth(
            record=record,
            status=status,
            problem=problem,
            uses=tuple(states),
            next_action_at=self._certificates.next_action(record, bindings, retries),
            progress=self._certificates.progress(bindings) if status is Status.ISSUING else None,
        )

    def _label(
        self, record: ChainRecord, bindings: Sequence[Binding], states: Sequence[ServiceState]
    ) -> tuple[Status, Problem | None]:
        if not states:
            return Status.UNUSED, None
        instead_of = [each.instead_of for each in states if each.instead_of]
        found = self._certificates.labels(record, bindings, instead_of)
        found += [(each.status, each.problem) for each in states]
        status, noted = worst([each for each, _ in found]), self._noted.get(record.id)
        if status in GOOD and noted is not None:
            return Status.WARNING, noted.problem
        return status, next((problem for each, problem in found if each is status and problem), None)


def _of_need(found: NeedHealth) -> Iterator[Finding]:
    if found.problem is not None:
        subject, title = f"{found.need.module}/{found.need.slot}", _title(found.need.names)
        yield Finding(SubjectKind.MODULE, subject, Severity.ERROR, found.problem, title=title)


def _began(snapshot: Snapshot) -> dict[tuple[str, str], datetime]:
    """Return since when each thing is wrong at endpoints: by code and cause of its problem."""
    began: dict[tuple[str, str], datetime] = {}
    for each in snapshot.endpoints:
        if each.problem is not None and each.wrong_since is not None:
            key = each.problem.code, each.problem.cause
            began[key] = min(each.wrong_since, began.get(key, each.wrong_since))
    return began


def _of_chain(found: ChainHealth, began: Began, now: datetime) -> Iterator[Finding]:
    """A warning is among the findings already."""
    severity = _unless_for_a_person(severity_of(found.status), found.problem)
    problem = found.problem or (problems.without_cause(found.status) if severity.degrades else None)
    if problem is not None and found.status is not Status.WARNING:
        title = _title(found.record.names)
        since = began.get((problem.code, problem.cause)) or _since(found, now)
        yield Finding(SubjectKind.CHAIN, found.record.id, severity, problem, since, title)


def _since(found: ChainHealth, now: datetime) -> datetime | None:
    """Return since when a chain is as it is, where the rows tell."""
    record = found.record
    if found.status is Status.EXPIRED:
        return min(record.not_after, now)
    return record.revoked_at or (record.created_at if found.status is Status.LOCAL_FALLBACK else None)


def _of_module(found: ModuleHealth, snapshot: Snapshot, began: Began) -> Iterator[Finding]:
    severity, name = _unless_for_a_person(severity_of_module(found.state), found.problem), found.record.name
    problem = found.problem or (problems.module_without_cause(name) if severity.degrades else None)
    if problem is not None:
        present = snapshot.deployments.get(name)
        since = began.get((problem.code, problem.cause)) or (present.at if present else None)
        yield Finding(SubjectKind.MODULE, name, severity, problem, since)


def _unless_for_a_person(severity: Severity, problem: Problem | None) -> Severity:
    """Return the severity, or a higher one where what waits doesn't wait for a service, but for an administrator."""
    if problem is not None and problem.code == StartFailed.code:
        return Severity.ERROR
    return Severity.WARNING if problem is not None and problem.code == NotIncluded.code else severity


def _of_retiring(snapshot: Snapshot) -> Iterator[Finding]:
    """What is no longer configured but goes on being served, or keeps something of the agent's in a service."""
    enabled = {each.name for each in snapshot.modules if each.enabled}
    for name, present in snapshot.deployments.items():
        if present.outcome is Outcome.RETIRING and present.problem is not None and name not in enabled:
            yield Finding(SubjectKind.MODULE, name, Severity.WARNING, present.problem, present.at)


def _of_pass(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """A pass that is late tells of a daemon or a schedule that has stopped: nothing is renewed any more."""
    due = snapshot.next_at
    if due is not None and now > due + problems.LATE:
        yield Finding(SubjectKind.PASS, "pass", Severity.WARNING, problems.late(due), due)


def _of_evidence(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """What was to be looked at an hour ago and was not, though passes are made: its module can't be asked, say."""
    if snapshot.next_at is not None and now > snapshot.next_at + problems.LATE:
        return  # that is told already
    seen: dict[str, tuple[datetime, str]] = {}
    for each in snapshot.endpoints:
        if each.checked_at and each.next_at and now > each.next_at + problems.LATE:
            found = each.checked_at, each.address
            seen[each.module] = min(found, seen.get(each.module, found))
    for module, (at, address) in seen.items():
        yield Finding(SubjectKind.ENDPOINT, module, Severity.WARNING, problems.old_evidence(module, address, at), at)


def _once(found: Sequence[Finding]) -> list[Finding]:
    """Return the findings in order of severity, each problem once: a module's is often that of its chains, too.

    A policy that is missing is told of once, whatever it keeps from being switched.
    """
    ordered = sorted(found, key=lambda each: SEVEREST_FIRST.index(each.severity))
    seen: set[tuple[str, str]] = set()
    kept = []
    missing = {each.problem.cause for each in found if each.kind is SubjectKind.PLUGIN and _is_policy_missing(each)}
    for each in ordered:
        if each.kind is not SubjectKind.PLUGIN and _is_policy_missing(each) and each.problem.cause in missing:
            continue
        general = each.problem.code, each.problem.cause
        if each.kind not in GENERAL or general not in seen:
            kept.append(each)
        seen.add(general)
    return kept


def _is_policy_missing(found: Finding) -> bool:
    return found.problem.code == PolicyMissing.code


def _title(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"
