"""Whether who knows the present root alone will take what another one signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors import AgentError

if TYPE_CHECKING:
    from agent.model.root import RootRecord
    from agent.operations.locked_state import LockedState
    from agent.pki.authority import Root


def bridge_obstacle(state: LockedState, present: RootRecord, successor: Root | str = "") -> str:
    """Return why clients that know only `present` will refuse what its successor signs; empty where they will not.

    `successor`: SHA-256 of one that is there, or one that was uploaded; empty: the agent makes it.
    """
    known = next(
        (each for each in state.store.roots.crosses() if _is_of(successor, each.subject, each.issuer, present)), None
    )
    if known is not None and known.obstacle:
        return known.obstacle
    try:
        return _obstacle(state, present, successor)
    except AgentError as error:
        return error.problem.cause.rstrip(".")


def _is_of(successor: Root | str, subject: str, issuer: str, present: RootRecord) -> bool:
    sha256 = successor if isinstance(successor, str) else successor.sha256
    return (subject, issuer) == (sha256, present.sha256)


def _obstacle(state: LockedState, present: RootRecord, successor: Root | str) -> str:
    """Raises `SealBroken`, and what a damaged row raises."""
    from agent.engine.cross_certification import SENT_WITH_OTHERS
    from agent.pki.cross import why_certifies_no_root, why_not_certified

    issuer = state.store.roots.load(present.sha256)
    subject = state.store.roots.load(successor) if isinstance(successor, str) and successor else successor
    if issuer is None or subject is None:
        return ""
    if isinstance(subject, str):
        return why_certifies_no_root(issuer)
    return why_not_certified(issuer, subject) or (SENT_WITH_OTHERS if subject.path_to_anchor else "")
