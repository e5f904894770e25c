"""What a check has found: each fault once, with its place in the plugin, and what could not be checked."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.errors import AgentError
from agent.errors.problem import Problem
from agent.errors.wording import indented
from agent.registry.places import place_of_code
from agent.testing.plugin_files import OURS, PluginFiles

PLACE = re.compile(r'File "([^"]+)", line (\d+)|\((/[^()]+:\d+)\)')
"""Line of a traceback, or what an error has in parentheses."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, with what to do about it."""

    check: str
    """What was checked."""
    problem: Problem
    place: str
    """`FILE:LINE`; empty: no line of the plugin is known."""

    def lines(self) -> list[str]:
        """Return it as text."""
        place = f"{self.place}: " if self.place else ""
        lines = [f"{place}{self.problem.cause}", f"    {self.problem.fix}" if self.problem.fix else ""]
        return [*filter(None, lines), *indented(self.problem.detail)]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        problem = self.problem
        return {
            "check": self.check,
            "code": problem.code,
            "cause": problem.cause,
            "fix": problem.fix,
            "detail": problem.detail,
            "place": self.place,
        }


@dataclass(frozen=True)
class CheckReport:
    """Outcome of the check of one plugin."""

    plugin: str
    checked: tuple[str, ...]
    """What was checked, in order."""
    left_out: tuple[str, ...]
    """What could not be checked, each with the reason."""
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def lines(self) -> list[str]:
        """Return it as text."""
        found = [line for fault in self.faults for line in fault.lines()]
        return [*found, *(f"Not checked: {each}" for each in self.left_out), self._summary]

    @property
    def _summary(self) -> str:
        number = len(self.faults)
        if self.ok:
            return f'The plugin "{self.plugin}" is good: {len(self.checked)} checks.'
        return f'The plugin "{self.plugin}" has {number} {"fault" if number == 1 else "faults"}; {len(self.checked)} checks.'

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "plugin": self.plugin,
            "ok": self.ok,
            "checked": list(self.checked),
            "left_out": list(self.left_out),
            "faults": [each.to_json() for each in self.faults],
        }


@dataclass
class Findings:
    """Collector of one check. Hooks are asked in several threads."""

    files: PluginFiles
    checked: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def checking(self, what: str) -> Iterator[None]:
        """Check something: what is raised meanwhile is a fault."""
        self.checked.append(what)
        try:
            yield
        except AgentError as error:
            self.add(error)

    def add(self, error: AgentError) -> None:
        """Note a fault, unless it is known already."""
        place = getattr(error, "place", "") or self.files.place_of(getattr(error, "error", error))
        self.add_problem(error.problem, place)

    def add_problem(self, problem: Problem, place: str = "") -> None:
        """Note a fault, unless it is known already."""
        with self._lock:
            if all((each.problem.cause, each.place) != (problem.cause, place) for each in self.faults):
                self.faults.append(Fault(self.checked[-1] if self.checked else "", problem, place))

    def leave_out(self, what: str) -> None:
        """Note once what can't be checked."""
        with self._lock:
            if what not in self.left_out:
                self.left_out.append(what)

    def report(self, plugin: str) -> CheckReport:
        """Return what was found."""
        return CheckReport(plugin, tuple(dict.fromkeys(self.checked)), tuple(self.left_out), tuple(self.faults))


def place_of_method(declared: object, name: str) -> str:
    """Return `FILE:LINE` of a method; of the class where it is the core's, which answers by the class's attributes."""
    kind = type(declared)
    method = getattr(kind, name, None)
    inherited = getattr(method, "__module__", "").split(".")[0] in OURS
    return place_of_code(kind if method is None or inherited else method)


def place_in(problem: Problem | None) -> str:
    """Return the `FILE:LINE` that a problem names, which was stored without its exception; empty: none."""
    found = PLACE.search(f"{problem.detail}\n{problem.where}") if problem else None
    return ":".join(each for each in found.groups() if each) if found else ""
