"""Observation of services as they run, by commands of their own: states, findings, and whether what runs was deployed.

What differs from what was deployed is loaded again, and what can be mended is mended, both with pauses that grow. The daemon
runs the same commands between passes, and asks for a pass where one tells something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agent.deploy.deploy_context import DeployContext
from agent.deploy.next_start import in_service, kind_of
from agent.deploy.units import Candidate, Unit, units_of
from agent.model.deployment import Outcome
from agent.model.events import EventKind
from agent.model.finding import Severity, SubjectKind
from agent.model.observed import OBSERVATION, ObservedState, going_on, read_states
from agent.store.observations import written_commands
from agent.system.command import Action, Command, CommandResult
from agent.system.observed_output import FAILED, LONGEST, SECONDS, digest_of, lines_of

MOST_THREADS = 4
OBSERVERS = "observers"
"""Key in `meta` of the commands that the daemon runs between two passes."""
MOST_NEWS = 20
"""Events of one service in one pass: all of its states may change at once."""


@dataclass(frozen=True)
class _Told:
    """What a service has told of itself last."""

    command: Command
    states: Sequence[ObservedState]
    digest: str

    def to_json(self, owner: str) -> dict[str, Any]:
        """Return what the daemon has to know to ask again."""
        argv, environment = list(self.command.argv), dict(self.command.environment)
        return {"owner": owner, "argv": argv, "environment": environment, "digest": self.digest}


def observe_services(context: DeployContext, seconds: float) -> None:
    """Observe every service that tells of itself, mend what can be, and store it all. `seconds`: between the daemon's looks."""
    before = context.store.observations.all()
    found: list[ObservedState] = []
    commands: list[dict[str, Any]] = []
    units = units_of(context.enabled, tuple(context.enabled.modules))
    for observation, command, result in _asked_at_once(context, units, before):
        with _apart(context, observation.unit):
            told = observation.made(command, result())
            if told is not None:
                found += told.states
                commands.append(told.to_json(observation.unit.name))
    _tell(context, {unit.name: next(iter(unit.modules), "") for unit in units}, before, found)
    _store(context, found, written_commands(seconds, commands) if commands else "")


def _asked_at_once(
    context: DeployContext, units: Sequence[Unit], before: Sequence[ObservedState]
) -> list[tuple[_Observation, Command, Callable[[], CommandResult]]]:
    """Run the commands of all services that tell of themselves: each may take a while, and none changes anything."""
    asked: list[tuple[_Observation, Command]] = []
    for unit in units:
        own = [each for each in before if (each.kind, each.owner) == (kind_of(unit), unit.name)]
        with _apart(context, unit):
            observation = _Observation(context, unit, own)
            command = observation.command()
            if command is not None:
                asked.append((observation, command))
    if not asked:
        return []
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(MOST_THREADS, "observe") as pool:
        return [(each, command, pool.submit(context.runner.run, command).result) for each, command in asked]


def _apart(context: DeployContext, unit: Unit) -> AbstractContextManager[None]:
    return context.failures.apart("observation", unit.name, kind_of(unit))


def next_tries(states: Sequence[ObservedState], now: datetime) -> list[datetime]:
    """Return when states are to be mended that are held back now, and now for those that are due."""
    due = (each.retry_at if each.retry_at and each.pause.holds(now) else now for each in states if each.mends)
    return sorted(due)


class _Observation:
    """Observation of one service in one pass."""

    def __init__(self, context: DeployContext, unit: Unit, before: Sequence[ObservedState]) -> None:
        self._context = context
        self.unit = unit
        self._before = before
        self._candidate: Candidate = in_service(context, unit)
        self._hopeless: set[str] = set()
        """Subjects for which there is nothing that mends."""

    def command(self) -> Command | None:
        """Return what asks the service. None: it tells nothing, or does not run."""
        command = self.unit.observe(self._candidate) if self._candidate.contexts and not self._waits() else None
        return replace(command, timeout=min(command.timeout, SECONDS), keeps=LONGEST) if command else None

    def made(self, command: Command, result: CommandResult) -> _Told | None:
        """Read what it tells, mend what is due, and ask again where something was mended. None: it can't be asked."""
        told = self._told(command, result, self._before)
        if told is None:
            return None
        mended = [self._mended(each) for each in told.states]
        if sum(each.attempts for each in mended) == sum(each.attempts for each in told.states):
            return replace(told, states=mended)
        return self._told(command, self._context.runner.run(command), mended) or told

    def _waits(self) -> bool:
        """Whether the service is known not to run: what it could tell is told by that."""
        known = (self._context.deployment(module) for module in self.unit.modules)
        return any(each is not None and each.outcome is Outcome.WAITING for each in known)

    def _told(self, command: Command, result: CommandResult, before: Sequence[ObservedState]) -> _Told | None:
        if result.missing:
            return None
        kind, name, now = kind_of(self.unit), self.unit.name, self._context.clock()
        wrong = "" if result.ok else f"{result.action.shown}: {result.reason}"
        found: list[ObservedState] = []
        if not wrong:
            try:
                found = self._read(kind, name, result.output)
            except ValueError as error:
                wrong = f"{result.action.shown}: {error}"
        if wrong:
            found = [ObservedState(kind, name, OBSERVATION, FAILED, wrong, Severity.WARNING)]
        return _Told(command, going_on(found, before, now), digest_of(result.output) if result.ok else FAILED)

    def _read(self, kind: SubjectKind, name: str, output: str) -> list[ObservedState]:
        if len(output) >= LONGEST:
            raise ValueError(f"it prints more than {LONGEST} characters")
        states = read_states(kind, name, lines_of(output))
        return [replace(each, mends=each.mends and each.subject not in self._hopeless) for each in states]

    def _mended(self, state: ObservedState) -> ObservedState:
        """Return a state after a try to mend it, where one is due."""
        now = self._context.clock()
        if not state.mends or state.pause.holds(now):
            return state
        action = self._mending(state)
        if action is None:
            self._hopeless.add(state.subject)
            return replace(state, mends=False)
        if state.differs and not state.attempts:
            self._context.tell(EventKind.DRIFT, f"{self.unit.name}: {state.why}; it is loaded again", self._module)
        result = self._context.runner.run(action)
        return state.tried(now, "" if result.ok else result.reason)

    def _mending(self, state: ObservedState) -> Action | None:
        if state.differs:  # whose reload drops sessions is left alone: that is for a person to choose the hour of
            return None if self.unit.disruptive else self.unit.reload(self._candidate)
        return self.unit.mend(self._candidate, state.subject)

    @property
    def _module(self) -> str:
        return next(iter(self.unit.modules), "")


def _tell(
    context: DeployContext,
    modules: Mapping[str, str],
    before: Sequence[ObservedState],
    found: Sequence[ObservedState],
) -> None:
    """Tell of each state that is another one than at the last look; of the first look nothing but what somebody should know.

    `modules`: the first one of each service.
    """
    last: Mapping[object, ObservedState] = {each.key: each for each in before}
    for owner in dict.fromkeys(each.owner for each in found):
        news = [each for each in found if each.owner == owner and _is_news(each, last.get(each.key))]
        for each in news[:MOST_NEWS]:
            why = f": {each.why}" if each.why else ""
            text = f"{owner}: {each.subject} is {each.state}{why}"
            context.tell(EventKind.OBSERVED, text, modules.get(owner, ""), subject=each.subject, state=each.state)
        if len(news) > MOST_NEWS:
            text = f"{owner}: {len(news) - MOST_NEWS} more states are others than before"
            context.tell(EventKind.OBSERVED, text, modules.get(owner, ""))


def _is_news(state: ObservedState, last: ObservedState | None) -> bool:
    changed = last.state != state.state if last else state.severity is not None
    return changed and bool(state.state) and not state.differs


def _store(context: DeployContext, found: Sequence[ObservedState], commands: str) -> None:
    with context.store.write():
        context.store.observations.replace(found)
        if (context.store.meta(OBSERVERS) or "") != commands:
            context.store.remember(OBSERVERS, commands)
