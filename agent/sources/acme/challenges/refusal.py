"""Why a CA is not asked: no method proves a name to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.acme import AGAIN
from agent.errors.challenges import NothingProves, Obstacle
from agent.errors.http01 import AnsweredByAnother, PortForbidden, PortUnusable
from agent.errors.order import ChallengeMissing
from agent.errors.preflight import PreflightStopped
from agent.errors.validation import ValidationFailed
from agent.sources.acme.challenges.challenge_type import CONNECTING
from agent.sources.acme.challenges.prospects import is_offered

if TYPE_CHECKING:
    from agent.errors import SourceError
    from agent.sources.acme.challenges.prospects import Offered, Prospect, Prospects


NO_WAY = frozenset({"alias", "nxdomain", "no_address", "private_address"})
"""Codes of findings that say that a name leads nowhere."""
UNSEEN = frozenset({"connection", "dns", "incorrectResponse", "tls", "unauthorized"})
"""Types of problems that say that a CA has not found the answer (RFC 8555 section 6.7)."""


def refusal(
    ca: str, prospects: Prospects, names: Sequence[str], offered: Offered | None, retry_at: datetime
) -> SourceError:
    """Return what is said of `names`, for which no method works of those that the CA offers (None: that isn't known).

    Where all that can be tried fails for one reason, that is the error.
    """
    tried = {name: [each.error for each in prospects.of(name) if _is_tried(each, name, offered)] for name in names}
    errors = list(dict.fromkeys(error for those in tried.values() for error in those if error is not None))
    if all(tried.values()) and (error := _one_of(errors, retry_at)):
        return with_dns(error, prospects, offered)
    if offered is not None and (types := _none_of_ours(prospects, names, offered)) is not None:
        return ChallengeMissing(ca, names, [each.type for each in prospects.methods], types)
    return NothingProves(ca, [each for name in names for each in _obstacles(prospects, name, offered)], retry_at)


def with_dns(error: SourceError, prospects: Prospects, offered: Offered | None = None) -> SourceError:
    """Return an error, with the other way where a CA can't come to this machine for a name that DNS might prove."""
    name = _unreached(error)
    by_dns = (each for each in prospects.methods if each.type not in CONNECTING and is_offered(each, name, offered))
    if name and any(not each.why_not(name) for each in by_dns):
        way = f"or prove it by DNS, without a way to this machine (chainwright acme check {name} says how)"
        vars(error)["fix"] = f"{error.problem.fix.removesuffix(f', {AGAIN}')}, {way}, {AGAIN}"
    return error


def _unreached(error: SourceError) -> str:
    """Return the first name to which a CA has no way, as far as an error says; empty: it's about something else."""
    if isinstance(error, AnsweredByAnother | PortForbidden | PortUnusable):
        return next(iter(error.names))
    if isinstance(error, PreflightStopped):
        return error.reasons[0].name if all(each.code in NO_WAY for each in error.reasons) else ""
    if isinstance(error, ValidationFailed):
        first = error.failures[0]
        return first.name if first.method in CONNECTING and first.kind in UNSEEN else ""
    return ""


def _one_of(errors: Sequence[SourceError], retry_at: datetime) -> SourceError | None:
    """Return the only error; what the preflight has found for several names is one."""
    stopped = [each for each in errors if isinstance(each, PreflightStopped)]
    if errors and len(stopped) == len(errors):
        return PreflightStopped(list(dict.fromkeys(one for each in stopped for one in each.reasons)), retry_at)
    return errors[0] if len(errors) == 1 else None


def obstacle(name: str, prospect: Prospect) -> Obstacle:
    """Return what is said of a prospect that does not work."""
    if prospect.error is None:
        return Obstacle(name, prospect.method.type, prospect.missing)
    if isinstance(prospect.error, PreflightStopped):
        reason = prospect.error.reasons[0]
        return Obstacle(name, prospect.method.type, reason.cause, reason.fix)
    problem = prospect.error.problem
    return Obstacle(name, prospect.method.type, problem.cause, problem.fix)


def _is_tried(each: Prospect, name: str, offered: Offered | None) -> bool:
    return not each.missing and is_offered(each.method, name, offered)


def _none_of_ours(prospects: Prospects, names: Sequence[str], offered: Offered) -> set[str] | None:
    """Return what the CA offers, if none of it is a method of the settings."""
    found = {str(each) for name in names for each in offered[name]}
    return None if found & {each.type for each in prospects.methods} else found


def _obstacles(prospects: Prospects, name: str, offered: Offered | None) -> Iterator[Obstacle]:
    for each in prospects.of(name):
        if not each.missing and not is_offered(each.method, name, offered):
            yield Obstacle(name, each.method.type, "the CA does not offer it for this name")
        elif not each.works:
            yield obstacle(name, each)
