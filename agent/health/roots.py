"""Findings about the lives of the roots: the next one is to be given to clients, a step is overdue, the end is near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.errors.problem import Problem, rfc3339
from agent.errors.wording import few
from agent.health.snapshot import Snapshot
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.root import (
    RootPhase,
    RootRecord,
    all_in_phase,
    dependents,
    in_phase,
    preparation_instant,
    signing_root,
)

OVERDUE = timedelta(days=1)
"""So long after its date, a step that was not made is a warning."""
CLOSE = timedelta(days=14)
"""So long before a root signs that clients will refuse, that is a warning: they have to be given it by then."""


def depending(snapshot: Snapshot, root: str, now: datetime) -> list[tuple[str, datetime]]:
    """Return what a root has signed and that is in use or may be, and when it ends."""
    known = {"chains": snapshot.chains, "bindings": snapshot.bindings, "live": snapshot.live, "peers": snapshot.peers}
    return list(dependents(root, now, **known))  # type: ignore[arg-type]


def root_findings(snapshot: Snapshot, now: datetime) -> Iterator[Finding]:
    """Yield what is to be said of a root that is prepared, and of one that was replaced and is still believed."""
    for root in snapshot.roots:
        if root.phase is RootPhase.PREPARED:
            yield _prepared(snapshot, root, now)
        if root.phase is RootPhase.REPLACED:
            who = [name for name, _ in depending(snapshot, root.sha256, now)]
            after = signing_root(snapshot.roots, root.key_type.kind) if root.beside else snapshot.root
            problem = root_replaced(root, who, _obstacle(snapshot, after, root), of=which(snapshot.roots, root))
            yield _finding(root, Severity.NOTICE, problem, root.replaced_at)


def needs_successor(snapshot: Snapshot, root: RootRecord, now: datetime) -> bool:
    """Whether the end of a root that signs is to be spoken of: none is prepared, and an uploaded one is a person's matter."""
    if in_phase(snapshot.roots, RootPhase.PREPARED, beside=root.beside) is not None:
        return False
    return root.uploaded or now >= preparation_instant(root) + OVERDUE


def which(roots: Sequence[RootRecord], root: RootRecord) -> str:
    """Return the option by which a command's step is one of `root`; empty where it is without one."""
    first = next(iter(all_in_phase(roots, root.phase)), root)
    return "" if first.sha256 == root.sha256 else f" --of {root.sha256[:12]}"


def _prepared(snapshot: Snapshot, root: RootRecord, now: datetime) -> Finding:
    before = in_phase(snapshot.roots, RootPhase.SIGNING, beside=root.beside)
    obstacle, at = _obstacle(snapshot, root, before or snapshot.root), root.signs_at or now
    if now >= at + OVERDUE:
        return _finding(root, Severity.WARNING, root_overdue(root, at), at + OVERDUE)
    severity = Severity.WARNING if obstacle and now >= at - CLOSE else Severity.NOTICE
    first, of = root.beside and before is None, which(snapshot.roots, root)
    problem = root_prepared(root, at, obstacle, first=first, of=of)
    return _finding(root, severity, problem, root.created_at)


def _obstacle(snapshot: Snapshot, subject: RootRecord | None, issuer: RootRecord | None) -> str:
    """Return why clients that know only `issuer` refuse what `subject` signs; empty where they don't."""
    pair = subject and issuer and (subject.sha256, issuer.sha256)
    return next((each.obstacle for each in snapshot.crosses if (each.subject, each.issuer) == pair), "")


def _finding(root: RootRecord, severity: Severity, problem: Problem, since: datetime | None) -> Finding:
    return Finding(SubjectKind.ROOT, root.sha256, severity, problem, since, root.subject)


def root_prepared(root: RootRecord, at: datetime, obstacle: str = "", *, first: bool = False, of: str = "") -> Problem:
    """Say that another root signs soon. `obstacle`: why clients that know only the present one will not take what it signs.

    `first`: it signs beside the present one, and follows no other. `of`: as `which` returns it.
    """
    what = f"A root for {root.key_type.kind.words}" if first else "The next root"
    alone = f" Clients that know only the present root will refuse what it signs: {obstacle}." if obstacle else ""
    cause = f"{what}, {root.subject}, is prepared and signs from {rfc3339(at)} on.{alone}"
    until = "Have all of them trust this one by then" if obstacle else "Give both to all that trust it"
    fix = f"{until}: chainwright root download. Another date: chainwright root begin --at DATE{of}"
    return Problem("status.root_prepared", cause, fix=fix)


def root_replaced(root: RootRecord, who: list[str], obstacle: str = "", *, of: str = "") -> Problem:
    """Say that a root is still believed, and by whom that is needed. `obstacle`: why clients that know it alone are cut off.

    `of`: as `which` returns it.
    """
    needed = f", as {few(who)} may need it" if who else ""
    alone = f" Clients that know it alone refuse what the present one signs: {obstacle}." if obstacle else ""
    cause = (
        f"The root {root.subject} no longer signs and is still believed{needed}. It ends at {rfc3339(root.not_after)}."
        f"{alone}"
    )
    carry = "Carry new certificates to the devices: chainwright root peers."
    fix = f"{carry} An earlier date: chainwright root retire --at DATE{of}"
    return Problem("status.root_replaced", cause, fix=fix)


def root_overdue(root: RootRecord, at: datetime) -> Problem:
    """Say that a prepared root should sign and doesn't."""
    cause = f"The root {root.subject} should sign since {rfc3339(at)} and does not."
    return Problem("status.root_overdue", cause, fix="Run the agent once: chainwright apply")
