"""Services that don't run and refuse what is in place for them: what they refuse is left out, so that they can start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from agent.deploy.culprits import Culprits, Place
from agent.deploy.deploy_context import DeployContext
from agent.deploy.deployer import give_up, run_in_parallel
from agent.deploy.differences import Difference, Target, is_same_configuration
from agent.deploy.next_start import SCOPE, in_service, kind_of, note_before_start, refusal_of, run_test
from agent.deploy.running import why_not_running
from agent.deploy.switching import Switching
from agent.deploy.transaction import Group, Transaction
from agent.deploy.trial import StagedCandidate, Trial
from agent.deploy.units import Candidate, EntryUnit, Unit, units_of
from agent.errors import AgentError
from agent.errors.deploy import EARLIER_IN_PLACE, ServiceRefusesPresent
from agent.errors.service import LeftOut
from agent.model.deployment import Generation, RefusedKind
from agent.model.handover import serves_on
from agent.planning import Deploy
from agent.system.command import CommandResult

REFUSED_PRESENT = ServiceRefusesPresent.code


@dataclass(frozen=True)
class Tests:
    """Tests of services that don't run, before they are started."""

    results: Mapping[str, CommandResult]
    """Service -> what its test said of what is in place, where that has not changed since."""
    left_out: tuple[str, ...]
    """Modules of which something was left out."""


def leave_out_refused(context: DeployContext, waiting: Iterable[str]) -> Tests:
    """Test services that don't run, or can't be renewed, and leave out what they refuse, where they accept the rest.

    Those of the modules `waiting`, and those that have refused even what is in service; at boot every one. What is left out is
    a refusal as any other: told, and tried again with back-off. The rest is in place for the next start.
    """
    waiting = frozenset(waiting)
    results: dict[str, CommandResult] = {}
    refused: list[tuple[Unit, AgentError]] = []
    failed: list[tuple[Unit, CommandResult]] = []
    for unit in units_of(context.enabled, tuple(_suspects(context, waiting))):
        with context.failures.apart("test before the start", unit.name, kind_of(unit)):
            candidate = in_service(context, unit)
            down = _is_down(context, unit, candidate, waits=not waiting.isdisjoint(unit.modules))
            result = run_test(context, unit, candidate) if down else None
            if result is not None:
                results[unit.name] = result
                failed += [(unit, result)] if _is_refused(context, unit, result) else []
                refused += [(unit, refusal_of(unit, result))] if _is_worth_a_search(context, unit, result) else []
    before = {module: context.live(module) for unit, _ in refused for module in unit.modules}
    run_in_parallel(context, refused, _leave_out)
    changed = tuple(module for module, live in before.items() if context.live(module) != live)
    done = {unit.name for unit, _ in refused if set(unit.modules) & set(changed)}
    if context.boot:
        note_before_start(context, results, [(unit, result) for unit, result in failed if unit.name not in done])
    return Tests({name: each for name, each in results.items() if name not in done}, changed)


def _suspects(context: DeployContext, waiting: Set[str]) -> list[str]:
    """Return the modules whose services may not run and refuse what is in place."""
    if context.boot:
        return list(context.enabled.modules)
    present = {name: context.deployment(name) for name in context.enabled.modules}
    refused = {name for name, each in present.items() if each and each.problem and each.problem.code == REFUSED_PRESENT}
    return [name for name in present if name in waiting or name in refused]


def _is_down(context: DeployContext, unit: Unit, candidate: Candidate, *, waits: bool) -> bool:
    """Whether a service is to be tested as it doesn't run; at boot those that modules can share.

    One that runs goes on with what it has read, until one of its chains ends soon and can't be renewed for what it refuses.
    """
    if not candidate.contexts or context.boot:
        return bool(candidate.contexts) and isinstance(unit, EntryUnit)
    why = why_not_running(context.runner, unit.running(candidate), context.enabled.layout.root)
    return (waits if why is None else bool(why)) or _ends_soon(context, unit)


def _ends_soon(context: DeployContext, unit: Unit) -> bool:
    live = (context.live(module) for module in unit.modules)
    chains = {chain for each in live if each is not None for chain in each.chains.values()}
    return not all(serves_on(context.records.get(chain), context.clock()) for chain in chains)


def _is_refused(context: DeployContext, unit: Unit, result: CommandResult) -> bool:
    """Whether a service that modules share refuses what is in place for another reason than that a boot has no network yet."""
    if result.ok or result.missing or not isinstance(unit, EntryUnit):
        return False
    return not (context.boot and unit.awaits_network(result.output, bool(context.addresses)))


def _is_worth_a_search(context: DeployContext, unit: Unit, result: CommandResult) -> bool:
    """Whether a service refuses what is in place, and the last search has not found already that it isn't any of it."""
    if result.timed_out or not _is_refused(context, unit, result):
        return False
    if _ends_soon(context, unit):
        return True
    known = next((each for each in context.store.conditions.of(SCOPE) if each.subject == unit.name), None)
    return context.boot or known is None or known.problem.cause != refusal_of(unit, result).problem.cause


def _leave_out(context: DeployContext, refused: tuple[Unit, AgentError]) -> None:
    unit, error = refused
    present = {module: context.deployment(module) for module in unit.modules}
    deploys = {
        module: Deploy(module, dict(live.chains), each.inputs, "its service refuses what is in place")
        for module, each in present.items()
        if each is not None and (live := context.live(module)) is not None
    }
    try:
        LeavingOut(context, Group(deploys), unit, error).run()
    except Exception as failed:
        give_up(context, deploys, "search for what it refuses", failed)


class LeavingOut(Transaction):
    """Switch of one service's modules to what is in place without what the service refuses."""

    def __init__(self, context: DeployContext, group: Group, unit: Unit, refused: AgentError) -> None:
        super().__init__(context, group)
        self._unit = unit
        self._refused = refused
        self._candidates.has_kept = True  # what is tried here is nothing that a person has changed

    def run(self) -> frozenset[str]:
        """Find what is refused, and switch to the rest."""
        targets = self._targets()
        slots = {each.module: list(each.live.chains) for each in targets if each.live}
        culprits = Culprits(slots, self._alone(), lambda out: self._trial(targets, out), self._named)
        found = culprits.run(self._refused)
        kept, earlier = self._with_earlier_parts(targets, found)
        if not found or all(_is_nothing(each) for each in kept):
            found, kept, earlier = self._as_it_was(targets)
        trial = self._trial_of(kept)
        staged, error = self._candidates.tried(trial, frozenset()) if found else (None, None)
        if staged is not None and error is None:
            self._store_left_out(kept, staged, found, earlier)
            self._switch_to(trial, staged, kept)
        return frozenset()

    def _switch_to(self, trial: Trial, staged: StagedCandidate, kept: Sequence[Target]) -> None:
        record = self._candidates.record_of(staged, kept, [])
        trial.flush()
        self._candidates.store(staged, record)
        switching = Switching(self._context, record)
        failure = switching.forward()
        if failure is not None and failure.stuck:
            switching.go_back(failure)
        elif failure is not None:
            switching.keep_broken(failure)
        self._try_the_rest_again()

    def _try_the_rest_again(self) -> None:
        """Let what was refused for what is left out now be tried at once."""
        deployments, now = self._context.store.deployments, self._context.clock()
        with self._context.store.write():
            for each in deployments.refusals():
                if each.module in self._deploys and each.problem.code == REFUSED_PRESENT:
                    deployments.refuse(replace(each, retry_at=now))

    def _alone(self) -> frozenset[str]:
        """Return the modules that can be left out as a whole: they have no other service, which would lose them too."""
        enabled = self._context.enabled.modules
        return frozenset(module for module in self._unit.modules if len(enabled[module].services) == 1)

    def _trial_of(self, targets: Sequence[Target]) -> Trial:
        trial = Trial(self._context, targets, self._units, self._repair)
        trial.before_network = self._context.boot
        return trial

    def _trial(self, targets: Sequence[Target], out: Set[Place]) -> AgentError | None:
        return self._candidates.try_and_discard(self._trial_of([_without(each, out) for each in targets]), frozenset())

    def _named(self, error: AgentError) -> Iterator[Place]:
        """Give the places whose files the service names as the reason; a module as a whole where there are others."""
        place = re.escape(str(self._context.enabled.layout.modules))
        reason = str(getattr(error, "reason", "")) or error.problem.cause
        for module, path in re.findall(rf"{place}/([^/\s]+)/(?:[0-9]+|live)/([^\s:;\"'()]+)", reason):
            live = self._context.live(module) if module in self._unit.modules else None
            slot = next((file.slot or "" for file in live.files if file.path == path), "") if live else ""
            if live and (slot or len(self._unit.modules) > 1):
                yield module, slot

    # What takes the place of what is refused

    def _with_earlier_parts(
        self, targets: Sequence[Target], found: Mapping[Place, AgentError]
    ) -> tuple[list[Target], set[Place]]:
        """Return the targets with the last configuration of each place that the service accepts, and where there is one."""
        kept = [_without(target, found.keys()) for target in targets]
        earlier: set[Place] = set()
        for module, slot in found:
            for generation in self._earlier(module, slot):
                tried = [_with_earlier(each, slot, generation) if each.module == module else each for each in kept]
                if self._candidates.try_and_discard(self._trial_of(tried), frozenset()) is None:
                    kept = tried
                    earlier.add((module, slot))
                    break
        return kept, earlier

    def _as_it_was(self, targets: Sequence[Target]) -> tuple[dict[Place, AgentError], list[Target], set[Place]]:
        """Return the first module whose last configuration as a whole the service accepts, where leaving out leaves nothing."""
        for target in targets:
            found: dict[Place, AgentError] = {(target.module, ""): self._refused}
            kept, earlier = self._with_earlier_parts(targets, found)
            if earlier:
                return found, kept, earlier
        return {}, list(targets), set()

    def _earlier(self, module: str, slot: str) -> Iterator[Generation]:
        """Give the generations before the one in service that have another configuration of a slot, the newest first.

        Of the module as a whole, where `slot` is "".
        """
        live = self._context.live(module)
        if live is None:
            return
        last = live
        for number in sorted(self._context.store.deployments.numbers(live.owner), reverse=True):
            found = self._context.generation(module, number) if number < live.number else None
            slots = [slot] if slot else ["", *live.chains]
            if found is None or not found.files or not set(slots) <= {"", *found.chains}:
                continue
            if not all(is_same_configuration(found, last, each) for each in slots):
                last = found
                yield found

    def _store_left_out(
        self,
        targets: Sequence[Target],
        staged: StagedCandidate,
        found: Mapping[Place, AgentError],
        earlier: Set[Place],
    ) -> None:
        """Store the refusals, as of what the next deployment would take in again."""
        by_name = {each.module: each for each in targets}
        for (module, slot), error in found.items():
            target = by_name[module]
            after = replace(
                target, live=staged.generations.get(module) or target.live, left_out=frozenset(), earlier={}
            )
            reason = str(getattr(error, "reason", "")) or error.problem.cause
            detail = str(getattr(error, "detail", ""))
            told = LeftOut(f"{module}/{slot}" if slot else module, self._unit.name, reason.rstrip("."), detail)
            told.mend_with(self._unit.cure_for(reason))
            if (module, slot) in earlier:
                told.effect = EARLIER_IN_PLACE
            self._refusals.add(Difference(module, slot, RefusedKind.CONFIGURATION, after.configuration(slot)), told)


def _without(target: Target, places: Iterable[Place]) -> Target:
    return replace(target, left_out=frozenset(slot for module, slot in places if module == target.module))


def _is_nothing(target: Target) -> bool:
    """Whether nothing of a module is left."""
    return "" in target.left_out or (target.live is not None and target.left_out >= target.live.chains.keys())


def _with_earlier(target: Target, slot: str, generation: Generation) -> Target:
    if not slot:
        return replace(target, left_out=frozenset(), earlier=dict.fromkeys(["", *generation.chains], generation))
    return replace(target, left_out=target.left_out - {slot}, earlier={**target.earlier, slot: generation})
