"""Deployments that are due because a module's generation is no longer right. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from agent.errors.problem import rfc3339
from agent.model.binding import Binding
from agent.model.deployment import Deployment, EndpointRecord, Outcome, Refusal, RefusedKind
from agent.model.handover import ends_soon, serves_on, turning_points
from agent.model.need import Need
from agent.planning.actions import Action, Deploy, Look, Retire, Settle
from agent.planning.ranking import RankedChain, rank
from agent.planning.state import WAITING_AGAIN, Declared, State

APART = "+"
"""Between the two digests of what a generation is made from: the addresses of host names are the second."""
MOVED = "the addresses of its host names changed"


class Modules:
    """Decides for each module whether its generation is still right."""

    def __init__(self, state: State, now: datetime, windows: bool) -> None:
        self._state = state
        self._now = now
        self._windows = windows
        self._refusals: dict[str, list[Refusal]] = defaultdict(list)
        for refusal in state.refusals:
            self._refusals[refusal.module].append(refusal)
        self._endpoints: dict[str, list[EndpointRecord]] = defaultdict(list)
        for endpoint in state.endpoints:
            self._endpoints[endpoint.module].append(endpoint)
        self.actions: list[Action] = []
        self.instants: list[datetime] = []
        self.looks: list[datetime] = []
        """When endpoints are to be looked at."""
        self.deferred: dict[str, datetime] = {}

    def consider(self, declared: Declared, needs: Sequence[Need], bindings: Sequence[Binding]) -> None:
        """Add the one action that is due for a module, if any."""
        name = declared.name
        chains = self._chains(name, needs, bindings)
        bound = {binding.slot: binding.chain for binding in bindings if binding.chain is not None}
        refused = {binding.slot: binding.refused for binding in bindings if binding.refused}
        meant = (
            chains | bound | {slot: chains[0] for slot, chains in refused.items()}
        )  # the last one, where none is bound
        better = frozenset(chain for chains in refused.values() for chain in chains)
        live = self._live(name)
        self._watch_expiry({*bound.values(), *chains.values(), *live.values()})
        present = self._state.deployments.get(name)
        wanted = _digest(declared, meant)
        is_due = not declared.withheld and (
            chains or (present and not needs)
        )  # without needs there is nothing to deploy, but what was there to replace
        reason = self._why_deploy(name, present, wanted, chains) if is_due else ""
        deferred = bool(reason) and self._defer(declared, present, chains)
        kept = {slot: live[slot] for slot in chains if slot in live}
        repair = "" if declared.withheld else self._why_repair(name, present)
        if reason and not deferred:
            self.actions.append(Deploy(name, chains, wanted, reason, bound, better=better))
        elif present and deferred and _is_moved(present.inputs, moved := _digest(declared, kept)):
            self.actions.append(Deploy(name, kept, moved, MOVED, bound, better=better))
        elif repair and present and deferred:
            self.actions.append(Deploy(name, kept, present.inputs, repair, bound, repair=True, better=better))
        elif repair:
            self.actions.append(Deploy(name, chains, wanted, repair, bound, repair=True, better=better))
        elif present and self._why_settle(name, present):
            pauses = [each.pause for each in self._state.restarts]
            self.instants += [each.until for each in pauses if each.until and each.holds(self._now)]
            self.instants.append(self._now + WAITING_AGAIN)
            self.actions.append(Settle(name, self._why_settle(name, present)))
        elif self._look_is_due(name):
            self.actions.append(Look(name, "its endpoints were not looked at for a while"))

    def retire(self, names: set[str]) -> None:
        """Take out modules that are gone from the settings."""
        for name, present in self._state.deployments.items():
            waits = present.outcome is Outcome.RETIRING and self._holds_back(present)
            if name not in names and not waits:
                self.actions.append(Retire(name))

    def _live(self, module: str) -> Mapping[str, str]:
        return self._state.live_chains.get(module, {})

    def _chains(self, module: str, needs: Sequence[Need], bindings: Sequence[Binding]) -> dict[str, str]:
        """Choose for each slot the bound chain, or a better one that was refused and is to be tried again.

        Where all are refused, one that is in service or the next one stays until then. Where there is none any more, the
        last one stays: an expired chain is a lesser evil than another site's.
        """
        chosen = {}
        for need, binding in zip(needs, bindings, strict=True):
            chain = (
                self._tried_again(module, binding) or self._unless_refused(module, need, binding.chain)
                if binding.chain
                else self._last(module, need.slot)
            )
            if chain is not None:
                chosen[need.slot] = chain
        return chosen

    def _last(self, module: str, slot: str) -> str | None:
        last = self._state.evidence.index.get(self._live(module).get(slot))
        return last.id if last else None

    def _tried_again(self, module: str, binding: Binding) -> str | None:
        """Return the best of the refused chains for which it is time."""
        held = self._refused(module, binding.slot) if binding.refused else set()
        return next((chain for chain in binding.refused if chain not in held), None)

    def _unless_refused(self, module: str, need: Need, bound: str) -> str:
        refused = self._refused(module, need.slot)
        if bound not in refused:
            return bound
        live = self._live(module).get(need.slot, "")
        if self._serves_on(live) and live not in refused:
            return live
        others = rank(need, self._state.evidence, self._now)
        return _first_not(refused, others) or bound

    def _refused(self, module: str, slot: str) -> set[str]:
        """Return the chains that it is too early to try again."""
        return {
            refusal.subject
            for refusal in self._refusals[module]
            if refusal.kind is RefusedKind.CHAIN and refusal.slot == slot and self._held_back(refusal)
        }

    def _held_back(self, refusal: Refusal) -> bool:
        if refusal.holds(self._now):
            self.instants.append(refusal.retry_at)
            return True
        return False

    def _why_deploy(self, module: str, present: Deployment | None, wanted: str, chains: Mapping[str, str]) -> str:
        if present is None:
            return "it has no generation yet"
        if _is_moved(present.inputs, wanted):
            return MOVED
        if present.inputs != wanted:
            return self._what_changed(module, chains)
        if self._is_tried_again(module, present, chains):
            return "what was refused is tried again"
        return self._why_another_chain(module, present, chains)

    def _is_tried_again(self, module: str, present: Deployment, chains: Mapping[str, str]) -> bool:
        refusals = self._refusals[module]
        if present.outcome is Outcome.REFUSED and not refusals:
            return present.retry_at is not None and not self._holds_back(present)
        asked_for = [
            each for each in refusals if each.kind is RefusedKind.CONFIGURATION or chains.get(each.slot) == each.subject
        ]
        return not all(self._held_back(refusal) for refusal in asked_for)

    def _why_another_chain(self, module: str, present: Deployment, chains: Mapping[str, str]) -> str:
        """Say which slots have another chain in service than they ought to, though nothing is known against that one."""
        other = {
            slot: chain
            for slot, chain in self._live(module).items()
            if chains.get(slot, chain) != chain and chains[slot] not in self._refused(module, slot)
        }
        spoilt = [slot for slot, chain in other.items() if not self._is_good(chain)]
        if spoilt:
            return f"the chain in service for {_listed(spoilt)} is no longer good"
        ending = [slot for slot, chain in other.items() if not self._serves_on(chain)]
        if ending:
            return f"the chain in service for {_listed(ending)} ends soon"
        went_back = present.outcome in {Outcome.BROKEN, Outcome.ROLLED_BACK} or self._is_refused_as_a_whole(present)
        return f"another chain for {_listed(other)}" if other and not went_back else ""

    def _is_refused_as_a_whole(self, present: Deployment) -> bool:
        """Whether nothing of the module could be tried, whatever its chains: they wait for the next try of the whole."""
        whole = [each for each in self._refusals[present.module] if not each.slot and self._held_back(each)]
        return present.outcome is Outcome.REFUSED and bool(whole)

    def _is_good(self, chain: str) -> bool:
        record = self._state.evidence.index.get(chain)
        return record is not None and record.good(self._now)

    def _serves_on(self, chain: str) -> bool:
        return serves_on(self._state.evidence.index.get(chain), self._now)

    def _what_changed(self, module: str, chains: Mapping[str, str]) -> str:
        live = self._live(module)
        changed = [slot for slot, chain in chains.items() if live.get(slot) != chain]
        gone = [slot for slot in live if slot not in chains]
        if changed:
            return f"another chain for {_listed(changed)}{self._why_so_soon(live, changed)}"
        return f"{_listed(gone)} is no longer needed" if gone else "its settings, templates or host facts changed"

    def _why_so_soon(self, live: Mapping[str, str], slots: Iterable[str]) -> str:
        """Say that what is in service ends soon; nothing where it is good for longer, or has ended."""
        records = [self._state.evidence.index.get(live.get(slot)) for slot in slots]
        ending = [each for each in records if each and each.good(self._now) and ends_soon(each, self._now)]
        return f", as the one in service ends at {rfc3339(ending[0].not_after)}" if ending else ""

    def _defer(self, declared: Declared, present: Deployment | None, chains: Mapping[str, str]) -> bool:
        """Wait for the window as long as what is in service is good, and hands over after it opens.

        A chain for which there is no other one hands over to nothing, whether the window is open or not.
        """
        live = self._live(declared.name)
        if not self._windows or declared.window is None or present is None or present.generation is None or not live:
            return False
        opens = declared.window.opens_at(self._now)
        left = [self._state.evidence.index.get(chain) for slot, chain in live.items() if chains.get(slot) != chain]
        if opens <= self._now or not all(serves_on(record, self._now) and serves_on(record, opens) for record in left):
            return False
        self.deferred[declared.name] = opens
        self.instants.append(opens)
        return True

    def _why_repair(self, module: str, present: Deployment | None) -> str:
        """Say why what is in service has to be made again though nothing else is to be deployed."""
        if present is None or present.generation is None:
            return ""
        wrong = [
            each
            for each in self._endpoints[module]
            if not (each.ok or each.stopped or each.further or each.new_sessions_fail)
        ]
        drifted = present.outcome in {Outcome.LIVE, Outcome.UNSEEN} and bool(wrong)
        if not drifted and present.outcome not in {Outcome.BROKEN, Outcome.ROLLED_BACK}:
            return ""
        if self._holds_back(present):
            return ""
        if drifted:
            return "what is served is not what was deployed"
        return "it is broken" if present.outcome is Outcome.BROKEN else "it was rolled back"

    def _why_settle(self, module: str, present: Deployment) -> str:
        """Say why it is looked again whether a service has been started."""
        if present.outcome is Outcome.WAITING:
            return "its service was not running"
        stopped = any(each.stopped and not each.further for each in self._endpoints[module])
        served = present.outcome in {Outcome.LIVE, Outcome.UNSEEN} or (
            present.outcome is Outcome.REFUSED and present.generation is not None
        )
        return "its service has stopped" if served and stopped else ""

    def _holds_back(self, present: Deployment) -> bool:
        if present.retry_at and present.pause.holds(self._now):
            self.instants.append(present.retry_at)
            return True
        return False

    def _look_is_due(self, module: str) -> bool:
        to_look_at = [endpoint for endpoint in self._endpoints[module] if endpoint.next_at]
        held = [endpoint.next_at for endpoint in to_look_at if endpoint.next_at and endpoint.pause.holds(self._now)]
        self.looks += held
        return len(held) < len(to_look_at)

    def _watch_expiry(self, chains: Iterable[str]) -> None:
        for chain in chains:
            record = self._state.evidence.index.get(chain)
            self.instants += [at for at in turning_points(record) if at > self._now] if record else []


def _digest(declared: Declared, chains: Mapping[str, str]) -> str:
    """Return a digest of what a generation is made from, then one of the addresses of host names where there are any."""
    digest = hashlib.sha256(json.dumps([declared.inputs, sorted(chains.items())]).encode()).hexdigest()
    return f"{digest}{APART}{declared.resolved}" if declared.resolved else digest


def _is_moved(present: str, wanted: str) -> bool:
    """Whether nothing but addresses of host names has changed: what is behind a service moves without minding its window."""
    return present != wanted and present.partition(APART)[0] == wanted.partition(APART)[0]


def _first_not(refused: set[str], candidates: Iterable[RankedChain]) -> str | None:
    return next((each.record.id for each in candidates if each.record.id not in refused), None)


def _listed(slots: Iterable[str]) -> str:
    names = list(slots)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
