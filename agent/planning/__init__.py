"""Plan of what is due now, each action with its reason. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from agent.errors.problem import Problem, rfc3339
from agent.model.binding import Binding
from agent.model.need import Need
from agent.model.records import ChainRecord
from agent.planning.actions import (
    Action,
    AskDns,
    AskPolicies,
    AskTheTime,
    BeginSigning,
    BelieveAgain,
    CloseWindows,
    CrossCertify,
    Deploy,
    EndSigning,
    Inquire,
    ListRevoked,
    Look,
    LookAtRecords,
    MakeRoot,
    Obtain,
    PrepareKeys,
    PrepareRoot,
    RemoveRecords,
    Retire,
    RetireRoot,
    RootStep,
    Settle,
    SignAgain,
    action_json,
    describe,
)
from agent.planning.binding import bind
from agent.planning.inquiries import Inquiries
from agent.planning.kept_keys import keys_to_prepare
from agent.planning.leftovers import Leftovers, closings, removals
from agent.planning.modules import Modules
from agent.planning.orders import Orders
from agent.planning.questions import Questions, dns_questions, policy_questions
from agent.planning.records import RecordLooks, record_looks
from agent.planning.root_life import RootLife
from agent.planning.signing import Signing
from agent.planning.state import WAITING_AGAIN, ClockDoubt, Declared, State

LOCAL = "local"

__all__ = [
    "WAITING_AGAIN",
    "Action",
    "AskDns",
    "AskPolicies",
    "AskTheTime",
    "BeginSigning",
    "BelieveAgain",
    "ClockDoubt",
    "CloseWindows",
    "CrossCertify",
    "Declared",
    "Deploy",
    "EndSigning",
    "Inquire",
    "ListRevoked",
    "Look",
    "LookAtRecords",
    "MakeRoot",
    "Obtain",
    "Plan",
    "PrepareKeys",
    "PrepareRoot",
    "RemoveRecords",
    "Retire",
    "RetireRoot",
    "RootStep",
    "Settle",
    "SignAgain",
    "State",
    "action_json",
    "describe",
    "plan",
    "plan_json",
]


@dataclass(frozen=True)
class Plan:
    """The bindings, what is due, and when there is something to do again."""

    bindings: tuple[Binding, ...]
    actions: tuple[Action, ...]
    next_at: datetime | None
    beside_looks_at: datetime | None = None
    """When anything is due but to look at what serves, and to look up host names."""
    beside_names_at: datetime | None = None
    """When anything is due but to look up host names."""
    deferred: Mapping[str, datetime] = field(default_factory=dict)
    """Module -> when its activation window opens."""
    renewals: Mapping[str, datetime] = field(default_factory=dict)
    """Id of a chain -> when its own source wants to replace it; stays when that is past."""
    broken: Mapping[str, Problem] = field(default_factory=dict)
    """Source -> what it raised when it was asked: it was passed over."""

    def due_as_well(self, instants: Sequence[datetime]) -> Plan:
        """Return it with further instants at which there is something to do."""
        if not instants:
            return self
        next_at, beside_looks_at = (
            min(at for at in (each, *instants) if at) for each in (self.next_at, self.beside_looks_at)
        )
        return replace(self, next_at=next_at, beside_looks_at=beside_looks_at)


def plan(
    now: datetime,
    modules: Sequence[Declared],
    needs: Sequence[Need],
    state: State,
    *,
    configured: Collection[str] = (),
    windows: bool = True,
) -> Plan:
    """Return what is due at `now`.

    `configured`: modules that stay although they can't be asked in this pass. `windows` False: activate at once, whatever
    the windows say.
    """
    bindings = bind(needs, state.evidence, now)
    orders = Orders(state, now, needs)
    for need, binding in zip(needs, bindings, strict=True):
        orders.consider(need, binding)
    orders.rejoin()
    inquiries = Inquiries(state, now)
    for binding in bindings if state.doubt is None else ():
        inquiries.consider(binding)
    modules_plan = Modules(state, now, windows)
    by_module = _by_module(needs)
    for declared in modules:
        modules_plan.consider(declared, by_module.get(declared.name, ()), _chosen(bindings, declared.name))
    modules_plan.retire({declared.name for declared in modules} | set(configured))
    signing = Signing(state, now)
    signing.consider()
    roots = RootLife(state, bindings, now)
    roots.consider(wanted=any(each.source == LOCAL for each in orders.due))
    root, obtain = _held_back(state, roots.due, orders.due, bindings)
    looks = _looks(needs, bindings, state, now)
    asking = _asking(state, now)
    keys: list[Action] = [*keys_to_prepare(needs, state), *(due for each in looks for due in each.due)]
    instants = [*roots.instants, *orders.instants, *inquiries.instants, *modules_plan.instants, *signing.instants]
    instants += [*(at for each in looks for at in each.instants), *_beginnings(state.evidence.chains, now)]
    instants += [state.doubt.ask_at] if state.doubt and state.doubt.ask_at and not asking else []
    names = [max(each.due_at, now) for each in state.names]
    beside_names_at = min([*instants, *modules_plan.looks], default=None)
    return Plan(
        bindings=tuple(bindings),
        actions=(*root, *signing.lists, *signing.peers, *obtain, *modules_plan.actions, *keys, *inquiries.due, *asking),
        next_at=min([*([beside_names_at] if beside_names_at else []), *names], default=None),
        beside_looks_at=min(instants, default=None),
        beside_names_at=beside_names_at,
        deferred=modules_plan.deferred,
        renewals=orders.renewals,
        broken=orders.broken,
    )


def plan_json(made: Plan) -> dict[str, object]:
    """Return a plan as plain JSON types."""
    return {
        "actions": [action_json(action) for action in made.actions],
        "next_at": rfc3339(made.next_at) if made.next_at else None,
        "deferred": {module: rfc3339(at) for module, at in made.deferred.items()},
    }


def _held_back(
    state: State, roots: Sequence[RootStep], orders: Sequence[Obtain], bindings: Sequence[Binding]
) -> tuple[Sequence[RootStep], Sequence[Obtain]]:
    """Return the steps of roots and the orders. While the clock is doubted, a root is made only where a need has no chain."""
    if state.doubt is None or any(each.chain is None for each in bindings):
        return roots, orders
    local = bool(state.evidence.signers)
    steps = [each for each in roots if not isinstance(each, MakeRoot | PrepareRoot)]
    return steps, [each for each in orders if local or each.source != LOCAL]


def _looks(
    needs: Sequence[Need], bindings: Sequence[Binding], state: State, now: datetime
) -> tuple[Questions | RecordLooks | Leftovers, ...]:
    """Return what is asked beside the orders, and what they have left outside."""
    return (
        dns_questions(needs, state, now),
        policy_questions(needs, state, now),
        record_looks(needs, bindings, state, now),
        removals(state.dns_records, now),
        closings(state.windows, now),
    )


def _asking(state: State, now: datetime) -> list[AskTheTime]:
    at = state.doubt.ask_at if state.doubt else None
    return [AskTheTime()] if at is not None and at <= now else []


def _beginnings(chains: Iterable[ChainRecord], now: datetime) -> list[datetime]:
    """Chains that are not valid yet will be."""
    return [record.not_before for record in chains if record.not_before > now and record.revoked_at is None]


def _by_module(needs: Iterable[Need]) -> dict[str, list[Need]]:
    found: dict[str, list[Need]] = defaultdict(list)
    for need in needs:
        found[need.module].append(need)
    return found


def _chosen(bindings: Iterable[Binding], module: str) -> list[Binding]:
    return [binding for binding in bindings if binding.module == module]
