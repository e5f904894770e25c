"""Trial of one candidate: staged, prepared, read back, and tested by its services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract.context import ModulePart
from agent.contract.fields import Secret
from agent.deploy import preflight, staging
from agent.deploy.deploy_context import DeployContext
from agent.deploy.differences import Difference, Target, with_moved_parts
from agent.deploy.failures import disk_failed
from agent.deploy.renames import ABSENT, Rename, live_link, published, taken_away
from agent.deploy.retention import keep_refused
from agent.deploy.staging import GenerationDir, Materials
from agent.deploy.tested import is_tested
from agent.deploy.units import Candidate, EntryUnit, Unit
from agent.deploy.warnings import warnings_of
from agent.errors import AgentError
from agent.errors.damage import NotTestedInTime
from agent.errors.deploy import CheckRefused, OwnerUnknown, PrepareFailed
from agent.model.deployment import Generation, RefusedKind, Step
from agent.rendering.render import Rendering
from agent.system.command import Command, CommandResult
from agent.system.places import Places
from agent.system.writing import flush_file_system


@dataclass
class StagedCandidate:
    """Candidate on disk, and the renames that would switch to it."""

    generations: dict[str, Generation] = field(default_factory=dict)
    """New generations by module; modules without a difference have none."""
    entries: dict[str, Generation] = field(default_factory=dict)
    """New entries by shared service."""
    texts: dict[str, str] = field(default_factory=dict)
    """SHA-256 -> text with marks, of everything that was rendered now."""
    passwords: dict[str, Secret] = field(default_factory=dict, repr=False)
    """Of files, as in `Rendering`."""
    renames: list[Rename] = field(default_factory=list)
    candidate: Candidate = field(default_factory=lambda: Candidate({}, {}))
    absent: dict[str, str] = field(default_factory=dict)
    """Unit -> why it can't be tested: it isn't installed."""
    refused: dict[Difference, AgentError] = field(default_factory=dict)
    """Differences that the preflight refuses, with the reason."""
    refusal: AgentError | None = None
    warnings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Unit -> what its own test warned of."""
    unprepared: dict[str, AgentError] = field(default_factory=dict)
    """Module -> error: its preparation needs a program that is missing, which may be part of a service that is not installed."""


class Trial:
    """Tests of candidates of one group of modules and units."""

    def __init__(
        self, context: DeployContext, targets: Sequence[Target], units: Sequence[Unit], repair: frozenset[str]
    ) -> None:
        self._context = context
        self._targets = {each.module: each for each in targets}
        self._units = units
        self._repair = repair
        self.keep_entries = False
        """Include the modules as the entries in service do, whatever templates and settings say now."""
        self.before_network = False
        """Believe what can't be tested before the machine has a network."""
        self._at = ""
        """Module whose own files are being worked at."""

    @property
    def unrepaired(self) -> str:
        """Return the module whose repair has just failed for its own files, so that nothing accepted or refused would help."""
        return self._at if self._at in self._repair else ""

    def stage(self, accepted: frozenset[Difference]) -> StagedCandidate:
        """Put a candidate with these differences on disk and test it. Raises `DiskFailed`, `OwnerUnknown`, ..."""
        staged = StagedCandidate()
        try:
            self._stage_modules(staged, accepted)
            self._stage_entries(staged)
        except OSError as error:
            self.discard(staged)
            raise disk_failed(Path(error.filename or self._context.enabled.layout.state), error) from error
        self._preflight(staged, accepted)
        if not staged.refused:
            self._prepare(staged)
        if not staged.refused and staged.refusal is None:
            self._plan_renames(staged)
            if not is_tested(self._context, staged.candidate, staged.generations, staged.entries):
                self._check(staged, in_place=False)
            self._refuse_unprepared(staged, in_place=False)
        return staged

    def flush(self) -> None:
        """Make everything that was staged durable."""
        flush_file_system(self._context.enabled.layout.state)

    def check_in_place(self, staged: StagedCandidate) -> AgentError | None:
        """Run the tests of services whose main file is the administrator's: after the rename, before the reload."""
        try:
            if not is_tested(self._context, staged.candidate, staged.generations, staged.entries):
                self._check(staged, in_place=True)
            self._refuse_unprepared(staged, in_place=True)
        except NotTestedInTime:
            raise
        except AgentError as error:
            return error
        return staged.refusal

    def discard(self, staged: StagedCandidate) -> None:
        """Remove what was staged, but for what is kept for people to look at."""
        for generation_dir, generation in self._directories(staged):
            if staging.refused_number(generation_dir) != generation.number:
                staging.remove(generation_dir, generation.number)

    def keep_refused(self, staged: StagedCandidate) -> None:
        """Keep a refused candidate until the next try. It is stored, so that deleting a chain removes its key there too."""
        found = list(self._directories(staged))  # a plugin may compute whose they are
        with self._context.store.write():
            for generation_dir, generation in found:
                self._context.store.deployments.put_generation(generation, staged.texts, self._context.clock())
                keep_refused(self._context, generation_dir, generation.number)

    def _directories(self, staged: StagedCandidate) -> Iterator[tuple[GenerationDir, Generation]]:
        for module, generation in staged.generations.items():
            yield self._context.module_dir(module), generation
        for service, generation in staged.entries.items():
            yield self._context.service_dir(service), generation

    # Stage

    def _stage_modules(self, staged: StagedCandidate, accepted: frozenset[Difference]) -> None:
        contexts = {}
        self._context.tell_step(Step.STAGE, self._targets)
        for module in sorted({name for unit in self._units for name in unit.modules}):
            live, self._at = self._context.live(module), module
            target = self._targets.get(module)
            if target is not None:
                rendering = target.compose(accepted)
                repair = module in self._repair
                if repair or ((rendering.files or live) and (live is None or rendering.digest != live.digest)):
                    generation_dir = self._context.module_dir(module)
                    staged.generations[module] = self._stage(
                        staged, generation_dir, rendering, None if repair else live
                    )
            generation = staged.generations.get(module) or live
            if generation is not None and self._context.is_included(module, generation):
                contexts[module] = self._context.context(module, generation)
        self._at = ""
        staged.candidate = Candidate(contexts, {})

    def _stage_entries(self, staged: StagedCandidate) -> None:
        entries: dict[str, Path] = {}
        for unit in self._units:
            if not isinstance(unit, EntryUnit):
                continue
            generation_dir = self._context.service_dir(unit.name)
            parts = unit.parts(staged.candidate)
            live = self._context.live_entry(unit.name)
            rendering = self._entry(unit, parts, live)
            damaged = live is not None and staging.damage(generation_dir, live) is not None
            if (rendering.files or live) and (live is None or damaged or live.digest != rendering.digest):
                staged.entries[unit.name] = self._stage(staged, generation_dir, rendering, None)
            elif live is None and not rendering.files:
                entries[unit.name] = generation_dir.state
            generation = staged.entries.get(unit.name) or live
            if generation is not None:
                entries[unit.name] = generation_dir.directory(generation.number)
        staged.candidate = Candidate(staged.candidate.contexts, entries)

    def _entry(self, unit: EntryUnit, parts: Sequence[ModulePart], live: Generation | None) -> Rendering:
        """Render an entry, or move the one in service to other generations of the modules that it includes."""
        before = {part.module: self._context.live_directory(part.module) for part in parts}
        if not self.keep_entries or live is None or None in before.values():
            return unit.rendering(tuple(parts))
        places = self._context.enabled.layout.service(unit.name)
        moved: dict[str, str] = {}
        for part in parts:
            moved |= _moved(places, part, before[part.module] or part.directory)
        texts = self._context.store.deployments.texts(file.text for file in live.files if file.text)
        return with_moved_parts(live, texts, moved)

    def _stage(
        self, staged: StagedCandidate, generation_dir: GenerationDir, rendering: Rendering, last: Generation | None
    ) -> Generation:
        with self._context.store.write():
            number = self._context.store.deployments.next_number(generation_dir.owner)
        kept = self._context.store.deployments.texts(
            file.text for file in rendering.files if file.text and file.text not in rendering.texts
        )
        staged.texts |= rendering.texts
        staged.passwords |= rendering.passwords
        materials = Materials({**rendering.texts, **kept}, self._context.chain, rendering.passwords)
        try:
            return staging.stage(generation_dir, number, rendering, materials, last)
        except OwnerUnknown as error:
            error.owner, error.place = self._context.enabled.who_names(generation_dir.owner, error.kind, error.name)
            raise

    # Preflight and preparation

    def _preflight(self, staged: StagedCandidate, accepted: frozenset[Difference]) -> None:
        self._context.tell_step(Step.PREFLIGHT, staged.generations)
        parts = [part for module in staged.generations for part in self._parts(module, staged)]
        found = preflight.inspect_all(parts, self._context.clock())
        for (module, slot), error in found.items():
            differences = [
                difference for difference in accepted if (difference.module, difference.slot) == (module, slot)
            ]
            blamed = [difference for difference in differences if difference.kind is RefusedKind.CHAIN] or differences
            staged.refused |= dict.fromkeys(blamed, error)
            if not blamed:
                staged.refusal = error

    def _parts(self, module: str, staged: StagedCandidate) -> list[preflight.StagedPart]:
        """Return the parts that differ from what is in service: the rest has been checked before."""
        generation = staged.generations[module]
        live = self._context.live(module)
        same = set(live.files) if live and module not in self._repair else set()
        directory = self._context.module_dir(module).directory(generation.number)
        found = []
        for slot, chain in generation.chains.items():
            files = generation.part(slot)
            if set(files) <= same:
                continue
            need = self._context.needs.get((module, slot))
            record = self._context.records[chain]
            found.append(preflight.StagedPart(module, slot, directory, files, record, need, staged.passwords))
        return found

    def _prepare(self, staged: StagedCandidate) -> None:
        self._context.tell_step(Step.PREPARE, staged.generations)
        for module in [each for each in staged.generations if each in staged.candidate.contexts]:
            enabled = self._context.enabled
            commands = enabled.hooks.prepare_command(enabled.modules[module], staged.candidate.contexts[module])
            for command in commands:
                self._prepare_with(command, module, staged)
            if commands and staged.refusal is None:
                generation_dir = self._context.module_dir(module)
                staged.generations[module] = staging.with_what_was_made(generation_dir, staged.generations[module])

    def _prepare_with(self, command: Command, module: str, staged: StagedCandidate) -> None:
        result = self._run(command, module, [module])
        if result.ok:
            return
        failed = PrepareFailed(module, command.shown, result.reason, result.account)
        if result.missing:
            staged.unprepared[module] = failed
        elif staged.refusal is None:
            staged.refusal = failed

    def _refuse_unprepared(self, staged: StagedCandidate, *, in_place: bool) -> None:
        """Refuse what could not be prepared, unless the service that reads it is not installed yet."""
        for module, failed in staged.unprepared.items():
            units = [unit for unit in self._units if module in unit.modules]
            known = in_place is any(unit.checks_in_place for unit in units)
            if known and staged.refusal is None and not any(unit.name in staged.absent for unit in units):
                staged.refusal = failed

    # The switch that would follow

    def _plan_renames(self, staged: StagedCandidate) -> None:
        for module, generation in staged.generations.items():
            self._at = module
            staged.renames += self._renames_to(self._context.module_dir(module), generation, self._context.live(module))
        self._at = ""
        for service, generation in staged.entries.items():
            last = self._context.live_entry(service)
            staged.renames += self._renames_to(self._context.service_dir(service), generation, last)

    def _renames_to(
        self, generation_dir: GenerationDir, generation: Generation, last: Generation | None
    ) -> list[Rename]:
        """Return the renames that switch from `last` to `generation`."""
        rooted = self._context.enabled.layout.rooted
        before = generation_dir.published(last)
        after = generation_dir.published(generation)
        found = [live_link(generation_dir.state, generation.number, last.number if last else None)]
        given_up = self._context.published_by_the_gone() if after.keys() - before.keys() else {}
        found += [published(rooted(path), new, {**given_up, **before}.get(path, ABSENT)) for path, new in after.items()]
        gone = [taken_away(rooted(path), old) for path, old in before.items() if path not in after]
        # First, as a daemon that is started in between may include every file of a directory, and no directive twice.
        return [*(each for each in gone if each), *found]

    # The services' own tests

    def _run(self, command: Command, unit: str, modules: Iterable[str]) -> CommandResult:
        """Run a command. Raises `NotTestedInTime` at boot, where it takes too long and there is something to fall back on."""
        result = self._context.runner.run(command)
        if result.timed_out and self._context.boot and any(self._context.live(each) for each in modules):
            raise NotTestedInTime(unit, command.shown, str(command))
        return result

    def _check(self, staged: StagedCandidate, *, in_place: bool) -> None:
        units = [unit for unit in self._units if unit.checks_in_place is in_place]
        if units:
            self._context.tell_step(Step.CHECK, staged.generations)
        for unit in units:
            if staged.refusal is None:
                self._check_unit(unit, staged)

    def _check_unit(self, unit: Unit, staged: StagedCandidate) -> None:
        if isinstance(unit, EntryUnit) or unit.name in staged.candidate.contexts:
            command = unit.check(staged.candidate)
            result = self._run(command, unit.name, unit.modules) if command else None
            if result is not None and result.timed_out and self._context.boot:
                return  # there is nothing better; the first pass of the agent tests it
            if command is None or result is None or result.ok:
                if result is not None:
                    staged.warnings[unit.name] = warnings_of(self._context, unit, result)
                return
            if result.missing:
                staged.absent[unit.name] = result.absence
            elif not (self.before_network and unit.awaits_network(result.output, bool(self._context.addresses))):
                staged.refusal = _refused(unit, command, result)


def _moved(places: Places, part: ModulePart, before: Path) -> dict[str, str]:
    """Return what an entry names of a module's generation in the directory `before`, and what it names of `part` in its place."""
    own = (places.of_generation(part.module, each.name, "") for each in (before, part.directory))
    old, new = map(str, own)
    return {str(before): str(part.directory), old: new}


def _refused(unit: Unit, command: Command, result: CommandResult) -> CheckRefused:
    error = CheckRefused(unit.name, command.shown, result.reason, result.account)
    error.mend_with(unit.cure_for(result.output))
    return error


def differences_of(targets: Sequence[Target]) -> list[Difference]:
    """Return every difference of a group."""
    return [difference for each in targets for difference in each.differences()]
