"""Second half of a transaction: switch, reload, probe, keep or roll back. Another process can take it over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.deploy import staging, stuck
from agent.deploy.confirming import Confirmations
from agent.deploy.deploy_context import DeployContext
from agent.deploy.endpoints import TransactionEndpoints
from agent.deploy.failed_starts import FailedStarts
from agent.deploy.first_files import FirstFiles
from agent.deploy.footprints import Footprints, unit_of
from agent.deploy.outcomes import Failure, Outcomes
from agent.deploy.record import TransactionRecord
from agent.deploy.refusals import told
from agent.deploy.reloading import Reloader
from agent.deploy.renames import Rename, undone
from agent.deploy.restarts import is_held_back
from agent.deploy.retention import keep_refused, surplus_of, sweep, sweep_entries
from agent.deploy.retired import RetiredModules
from agent.deploy.units import Candidate, EntryUnit, Unit, units_of
from agent.errors import AgentError
from agent.errors.damage import DiskFailed, NotPutBack
from agent.errors.deploy import KEPT
from agent.model.deployment import Generation, Outcome, Step
from agent.model.events import EventKind
from agent.store.deployments import TransactionRow
from agent.store.served_chains import note_served, note_undone


class Switching:
    """Execution of a `TransactionRecord`."""

    def __init__(self, context: DeployContext, record: TransactionRecord, *, resumed: bool = False) -> None:
        """`resumed`: another process has begun it, and may have told services of it."""
        self._context = context
        self.record = record
        self._resumed = resumed
        modules = tuple(name for name in record.modules if name in context.enabled.modules)
        self._units = _units_of(context, record, modules)
        self._retired = RetiredModules(context, record.retired, record.left)
        self._endpoints = TransactionEndpoints(context, record, lambda module, new: self._generation(module, new=new))
        self._confirmations = Confirmations(context, record, self._endpoints)
        self._reloader = Reloader(context, record.absent, lambda unit: self._endpoints.dead_places(unit.modules))
        self._first = FirstFiles(context)
        self._outcomes = Outcomes(
            context, record, self._units, self._reloader, self._endpoints, self._confirmations, self._first
        )
        self._failed: dict[Rename, DiskFailed] = {}
        self._stuck: set[str] = set()
        """Modules some of whose renames could not be undone."""

    # Forward

    def forward(self) -> Failure | None:
        """Switch, reload and probe; store the outcome if all is well. Every step may be done again after a crash."""
        try:
            return self._forward()
        except AgentError as error:  # the plugin can't say how to reload or what to probe: nothing can be verified
            return Failure(error)

    def _forward(self) -> Failure | None:
        self._leave_out_unnamed()
        self._record_dead_endpoints()
        self._enter(Step.SWITCHING)
        self._note_served()
        if self.rename() is not None:
            return self._failure_of_rename()
        self._enter(Step.RELOADING)
        self._have_former_let_go()
        failed = self._reloader.reload(self._units, self._candidate(new=True))
        if failed:
            return Failure(failed)
        self._enter(Step.PROBING)
        failure = self._probe_and_clean_up() or self._confirm()
        if failure is None:
            self._look_at_retired()
            self.keep()
            return None
        return self._outcomes.explained(failure, self._candidate(new=True))

    def _note_served(self) -> None:
        """Keep beside the database what is about to be in service."""
        generations = [self._generation(module, new=True) for module in self.record.moved]
        note_served(self._context.store, [each for each in generations if each is not None])

    def _confirm(self) -> Failure | None:
        """See that the services run the new configuration, where their endpoints don't show it."""
        if self.record.retired:
            return None  # the endpoints of what was taken out show it
        running = [unit for unit in self._units if unit.name not in self._reloader.down]
        refuted = self._confirmations.confirm(running, self._candidate(new=True))
        return Failure(refuted) if refuted else None

    def _leave_out_unnamed(self) -> None:
        if not self._context.boot:
            self._reloader.leave_out_unnamed(self._units, self._candidate(new=True))

    def _have_former_let_go(self) -> None:
        """Tell daemons that nothing else here reloads. Whether it helped is seen afterwards, or isn't known."""
        for action in () if self._context.boot else self.record.former:
            self._context.runner.run(action)

    def _look_at_retired(self) -> None:
        if self.record.retired and not self._context.boot:
            self._retired.look(wait=bool(self.record.services or self.record.former))

    def rename(self) -> AgentError | None:
        """Carry out the renames that are not done yet. Return the error of the first that fails."""
        for rename in self.record.renames:
            try:
                rename.redo()
            except DiskFailed as error:
                self._failed = {rename: error}
                return error
        return None

    def _failure_of_rename(self) -> Failure:
        """Return the failure of those modules that need the path; nothing that changed is to blame."""
        (error,) = self._failed.values()
        return Failure(error, stuck=frozenset(stuck.modules_of(self._context, self.record, self._failed)))

    def settle(self) -> None:
        """Check whether a service that was not running has come up; reload it if it does not serve yet."""
        self._leave_out_unnamed()
        if self._endpoints.all_served() or self._reloader.unnamed:
            self._look_at_retired()
            self.keep()
            return
        if self._first.held_back(self.record.modules):
            return
        failing = FailedStarts(self._context).held_back(self.record.modules)
        again = {unit.name for unit in self._units if is_held_back(self._context, unit.name)}
        self._reloader.hold_back(failing | again)
        failure = self.forward()
        if failure is not None and self.is_first:
            self.keep_waiting(failure)
        elif failure is not None:
            self.keep_broken(failure)

    def keep(self) -> None:
        """Store that the new generations are in service, or are waiting for their service."""
        self._enter(Step.KEEPING)
        context, record = self._context, self.record
        before = {name: context.deployment(name) for name in record.modules}
        stopped = self._outcomes.stopped()
        unseen = self._outcomes.unseen()
        footprints = Footprints(context, {name: self._generation(name, new=True) for name in record.modules})
        rows = {module: self._endpoints.records(module, new=True) for module in record.modules}
        still_served = self._retired.problems()
        with context.store.write():
            footprints.store()
            kept = [self._outcomes.keep_module(module, rows[module], unseen) for module in record.modules]
            for service, move in record.entries.items():
                context.store.deployments.put_entry(service, move.new)
            self._retired.store(still_served)
            context.store.deployments.end_transaction(record.id)
        for deployment in kept:
            last = before.get(deployment.module)
            if last is None or (last.generation, last.outcome) != (deployment.generation, deployment.outcome):
                self._outcomes.tell_kept(deployment)
        for module in stopped - self._outcomes.stopped():
            context.tell(EventKind.DEPLOYED, "it is served again", module)
        self._retired.tell()
        self._retired.remove()
        self._sweep()

    @property
    def is_first(self) -> bool:
        """Whether what is put in place stays for somebody to name it, whatever its service does meanwhile."""
        return self._first.are_kept(self.record.modules)

    def keep_waiting(self, failure: Failure) -> None:
        """Store that the new generations stay, for a service that doesn't go by them yet."""
        for module in self.record.modules:
            self._first.note(module, self._generation(module, new=True), failure.error)
        self.keep()

    def keep_broken(self, failure: Failure) -> None:
        """Store that the new generations stay though not all are seen to be served: there is nothing better."""
        self.keep()
        seen = {module: error for (module, _slot), error in reversed(failure.slots.items())}
        for module, error in (seen or dict.fromkeys(self.record.moved or self.record.modules, failure.error)).items():
            present = self._context.deployment(module)
            if present:
                problem = told(self._context, module, replace(error.problem, effect=KEPT))
                self._outcomes.store_problem(present, Outcome.BROKEN, Step.PROBING, problem)
                self._context.tell(EventKind.BROKEN, error.problem.cause, module)

    # Rollback

    def can_go_back(self) -> bool:
        """Whether every module has a generation to go back to whose chains are still good."""
        for module in self.record.moved:
            old = self.record.modules[module].old
            generation = self._context.generation(module, old)
            if generation is None and self._endpoints.none_alive(module):
                return False
            if old is not None and (generation is None or not self._context.good(generation)):
                return False
            if generation is not None and not self._context.is_there(module, generation):
                return False
        return True

    def go_back(self, failure: Failure) -> None:
        """Undo the renames, reload, probe whether the old generations are served again, and store the outcome."""
        self._enter(Step.GOING_BACK)
        failed = undone(self.record.renames)
        self._keep_refused()
        quiet = bool(failure.stuck) and not self._resumed  # no service was told of anything yet
        again = None if quiet else self._reload_old(failure.stuck)
        # Where entries alone were switched, that is told of each module of the service.
        concerned = self.record.moved or ([] if self.record.retired else list(self.record.modules))
        if not quiet:
            self._outcomes.say_what_is_served(failure, concerned)
        rows = {module: self._endpoints.records(module, new=False) for module in concerned}
        problems = {module: self._outcomes.rollback_problem(module, failure, again) for module in concerned}
        shown = {module: told(self._context, module, problem) for module, problem in problems.items()}
        left = self._left(failed)
        outcome = Outcome.ROLLED_BACK if again is None else Outcome.BROKEN
        with self._context.store.write():
            for module, of_module in rows.items():
                self._outcomes.store_rollback(module, outcome, shown[module], of_module)
            self._end(left)
            if failure.stuck:
                self._outcomes.try_at_once(set(rows) - failure.stuck)
        kind = EventKind.ROLLED_BACK if again is None else EventKind.BROKEN
        note_undone(self._context.store, self.record.moved)
        self._retired.hold(failure.error)
        for module, problem in problems.items():
            if not quiet or module in failure.stuck:
                self._context.tell(kind, problem.cause, module, generation=self.record.modules[module].old)
        stuck.hold(self._context, self.record, failed)
        self._sweep()

    def _left(self, failed: stuck.Failed) -> TransactionRecord | None:
        """Return what could not be undone of the transaction; None: it is at its end. Plugins are asked whose paths these are."""
        self._stuck = stuck.modules_of(self._context, self.record, failed)
        return stuck.left_of(self._context, self.record, failed) if failed else None

    def _end(self, left: TransactionRecord | None) -> None:
        """End the transaction, or keep what is left of it. Call inside `Store.write`."""
        if left:
            store_phase(self._context, left, Step.GOING_BACK)
        else:
            self._context.store.deployments.end_transaction(self.record.id)
            self._context.store.deployments.try_again(NotPutBack.code, self._context.clock())

    def _keep_refused(self) -> None:
        """Keep what did not stay for people to look at."""
        found = [(self._context.module_dir(name), self.record.modules[name].new) for name in self.record.moved]
        found += [(self._context.service_dir(name), move.new) for name, move in self.record.entries.items()]
        with self._context.store.write():
            for generation_dir, number in found:
                if number is not None:
                    keep_refused(self._context, generation_dir, number)

    def _reload_old(self, left_alone: frozenset[str]) -> Failure | None:
        """Reload and probe. A reload that fails is no problem if the old generations are seen to be served.

        `left_alone`: modules whose files could not be put back: their own services may find nothing where they look.
        """
        self._have_former_let_go()
        try:
            units = [unit for unit in self._units if not unit.modules or not left_alone.issuperset(unit.modules)]
            failed = self._reloader.reload(units, self._candidate(new=False), all_of_them=True)
            unseen = self._probe(new=False)
        except AgentError as error:
            return Failure(error)
        return Failure(failed) if failed and (unseen or not self._endpoints.seen) else unseen

    def abandon(self) -> None:
        """Undo the renames and drop what was staged, without touching a service."""
        failed = undone(self.record.renames)
        left = self._left(failed)
        with self._context.store.write():
            for service, move in self.record.entries.items():
                self._context.store.deployments.put_entry(service, move.old)
            self._end(left)
        note_undone(self._context.store, self.record.moved)
        stuck.hold(self._context, self.record, failed)
        for module in self.record.moved:
            if module in self._context.enabled.modules and module not in self._stuck:
                sweep(self._context, module)

    def _sweep(self) -> None:
        """Remove old generations, but for those that paths still name which can't be put back."""
        for module in set(self.record.moved) - self._stuck:
            sweep(self._context, module)
        for service in () if self._stuck else self.record.entries:
            sweep_entries(self._context, service)

    # Steps

    def _enter(self, step: Step) -> None:
        with self._context.store.write():
            store_phase(self._context, self.record, step)
        self._context.tell_step(step, self.record.concerned)

    def _candidate(self, *, new: bool) -> Candidate:
        contexts = {}
        for module in sorted({name for unit in self._units for name in unit.modules}):
            generation = self._generation(module, new=new)
            if generation is not None and self._context.is_included(module, generation):
                contexts[module] = self._context.context(module, generation)
        return Candidate(
            contexts,
            {unit.name: self._entry(unit.name, new=new) for unit in self._units if isinstance(unit, EntryUnit)},
        )

    def _entry(self, service: str, *, new: bool) -> Path:
        generation_dir = self._context.service_dir(service)
        move = self.record.entries.get(service)
        number = (move.new if new else move.old) if move else self._context.store.deployments.entry(service)
        return generation_dir.directory(number) if number is not None else generation_dir.state

    def _generation(self, module: str, *, new: bool) -> Generation | None:
        move = self.record.modules.get(module)
        if move is None:
            return self._context.live(module)
        return self._context.generation(module, move.new if new else move.old)

    # Probing

    def _record_dead_endpoints(self) -> None:
        """Probe before the switch: an endpoint that is already dead proves nothing against the new generation."""
        if self.record.was_dead is not None or self._context.boot:
            return
        self._endpoints.find_dead()
        self.record = replace(self.record, was_dead=tuple(self._endpoints.dead))

    def _probe_and_clean_up(self) -> Failure | None:
        """Probe, and meanwhile remove from disk what will not be kept: large services take some time to reload."""
        from concurrent.futures import ThreadPoolExecutor

        surplus = [each for module in self.record.moved for each in self._surplus(module)]
        with ThreadPoolExecutor(1, "sweep") as pool:
            for generation_dir, number in surplus:
                pool.submit(staging.remove, generation_dir, number)
            return self._probe(new=True)

    def _surplus(self, module: str) -> list[tuple[staging.GenerationDir, int]]:
        move = self.record.modules[module]
        generation_dir = self._context.module_dir(module)
        return [
            (generation_dir, number)
            for number in surplus_of(self._context, generation_dir, move.new)
            if number != move.old
        ]

    def _probe(self, *, new: bool) -> Failure | None:
        running = [module for module in self.record.modules if not self._is_down(module)]
        failed = self._endpoints.probe(running, new=new)
        # Where one of its services doesn't name our files yet, what is served there is somebody else's.
        failed = {
            place: error for place, error in failed.items() if not self._reloader.unnamed_of(self._units, place[0])
        }
        return Failure(next(iter(failed.values())), failed) if failed else None

    def _is_down(self, module: str) -> bool:
        units = [unit for unit in self._units if module in unit.modules]
        return bool(units) and all(unit.name in self._reloader.down for unit in units)


def _units_of(context: DeployContext, record: TransactionRecord, modules: tuple[str, ...]) -> list[Unit]:
    """Return the units of the modules, then the services that no module of the transaction uses."""
    units = units_of(context.enabled, modules)
    have = {unit.name for unit in units if isinstance(unit, EntryUnit)}
    others = sorted({*record.entries, *record.services} - have)
    return [*units, *(unit for service in others if (unit := unit_of(context, service)))]


def store_phase(context: DeployContext, record: TransactionRecord, step: Step) -> None:
    """Store how far a transaction is. Call inside `Store.write`."""
    row = TransactionRow(record.id, record.job, str(step), record.to_json())
    context.store.deployments.put_transaction(row, context.clock())
