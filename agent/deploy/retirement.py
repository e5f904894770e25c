"""Taking modules out of the services that they share: all of these let go in one transaction, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agent.deploy.candidates import Candidates
from agent.deploy.deploy_context import DeployContext
from agent.deploy.differences import Difference, Target
from agent.deploy.footprints import unit_of
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.refusals import Refusals
from agent.deploy.renames import Rename, live_link, taken_away
from agent.deploy.retired import RetiredModules
from agent.deploy.switching import Switching
from agent.deploy.trial import StagedCandidate, Trial
from agent.deploy.units import EmptiedUnit, EntryUnit
from agent.errors import AgentError, Problem
from agent.errors.deploy import LeftBehind, ServiceForgotten
from agent.model.deployment import Deployment, Outcome
from agent.system.command import Action, Command

IN_SERVICE = {Outcome.LIVE, Outcome.UNSEEN}


class Retirement(Candidates):
    """Candidates without the modules that are taken out, derived from what was deployed: their plugins are not asked."""

    def __init__(self, context: DeployContext, modules: Sequence[str], services: Sequence[str]) -> None:
        super().__init__(context, {}, (), (), Refusals(context))
        present = context.store.deployments.all()
        self._modules = {name: present[name].generation for name in modules}
        self._services = tuple(services)
        self._left: Problem | None = None

    def run(self) -> None:
        """Take them out. What keeps them in service is stored, told, and tried again with back-off."""
        try:
            found = self._acceptable()
        except AgentError as error:
            RetiredModules(self._context, self._modules).hold(error)
            return
        trial, staged = found
        record = self.record_of(staged, (), ())
        trial.flush()
        self.store(staged, record)
        switching = Switching(self._context, record)
        failure = switching.forward()
        if failure is not None:
            switching.go_back(failure)

    def _acceptable(self) -> tuple[Trial, StagedCandidate]:
        """Stage what the services accept: nothing of the agent's, else entries that include nothing. Raises `AgentError`."""
        first: AgentError | None = None
        for entirely in (True, False):
            units = [self._unit(service, entirely=entirely) for service in self._services]
            self._units = list(units)
            self.drop_refused()
            trial = Trial(self._context, (), units, frozenset())
            staged, error = self.tried(trial, frozenset())
            if staged is not None:
                return trial, staged
            first = first or error
            theirs = [unit.name for unit in units if isinstance(unit, EmptiedUnit) and unit.checks_in_place]
            if first is None or not theirs:
                break
            self._left = LeftBehind(", ".join(theirs), _reason(first)).problem
        assert first is not None
        raise first

    def _unit(self, service: str, *, entirely: bool) -> EntryUnit:
        unit = unit_of(self._context, service, entirely=entirely)
        if unit is None:
            raise ServiceForgotten(service)
        return unit

    def record_of(
        self, staged: StagedCandidate, targets: Sequence[Target], differences: Sequence[Difference]
    ) -> TransactionRecord:
        """Return what taking the modules out is to do."""
        record = super().record_of(staged, targets, differences)
        others = self._others()
        in_service = staged.entries or any(number is not None for number in self._modules.values())
        return replace(
            record,
            modules={name: Move(each.generation, each.generation) for name, each in others.items()},
            inputs={name: each.inputs for name, each in others.items()},
            renames=(*record.renames, *self._removals()),
            retired=self._modules,
            services=self._services if in_service else (),
            former=self._own_reloads(),
            left=self._left,
        )

    def _others(self) -> Mapping[str, Deployment]:
        """Return the modules in the same services that are in service: they are looked at afterwards."""
        sharing = {name for service in self._services for name in self._context.enabled.modules_of(service)}
        present = self._context.store.deployments.all()
        return {name: present[name] for name in sharing & set(present) if present[name].outcome in IN_SERVICE}

    def _removals(self) -> Iterable[Rename]:
        rooted = self._context.enabled.layout.rooted
        taken_over = self._context.published_by_the_configured()
        for name, number in self._modules.items():
            generation_dir = self._context.module_dir(name)
            published = generation_dir.published(self._context.generation(name, number))
            found = (taken_away(rooted(path), content) for path, content in published.items() if path not in taken_over)
            yield from (each for each in found if each)
            if number is not None:
                yield live_link(generation_dir.state, None, number)

    def _own_checks(self) -> Mapping[str, Command]:
        known = {name: self._context.store.footprints.module(name) for name in self._modules}
        return {name: each.check for name, each in known.items() if each and each.check}

    def _own_reloads(self) -> tuple[Action, ...]:
        """Return what makes services of the modules' own let go of files that are taken away from fixed paths."""
        found = []
        for name, number in self._modules.items():
            generation = self._context.generation(name, number)
            footprint = self._context.store.footprints.module(name)
            if footprint and footprint.reload and self._context.module_dir(name).published(generation):
                found.append(footprint.reload)
        return tuple(found)


def _reason(error: AgentError) -> str:
    return (str(getattr(error, "reason", "")) or error.problem.cause).rstrip(".")
