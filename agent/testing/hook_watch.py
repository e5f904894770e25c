"""Watch over the hooks of modules and services: a policy that is asked with each of them, and changes where they are probed."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.contract.declaration import Declaration
from agent.contract.endpoint import Endpoint
from agent.contract.markers import hookimpl
from agent.errors.plugin_checks import HookActs, HookSlow, PathOutside
from agent.registry.life_hooks import LIFE
from agent.system.command import Action, Command, Signal
from agent.testing.findings import Findings, place_of_method
from agent.testing.io_watch import Done, io_watch
from agent.testing.stand_in import StandIn, StandInProbe, speaks_tls

MOST_SECONDS = 1.0
"""Of a processor, for one answer."""
MARK = re.compile(r"\\\{(dir|live|run|slot)\\\}")
"""Place in a command that the core fills in, in a regular expression."""


@dataclass(frozen=True)
class Asked:
    """A hook, and whom it was asked of."""

    hook: str
    declaration: Declaration


class HookWatch:
    """Notes what hooks do and answer. `policy` is what is registered beside the plugin."""

    def __init__(self, findings: Findings, stand_in: StandIn, pid: int) -> None:
        """`pid`: a process that services' pid files are to name."""
        self._findings = findings
        self._stand_in = stand_in
        self._pid = pid
        self._actions: list[tuple[Asked, Action]] = []
        self._lock = threading.Lock()
        self.policy = _Policy(self)

    @contextmanager
    def asking(self, hook: str, place: Callable[[], str]) -> Iterator[None]:
        """Watch a hook of the plugin while it is asked."""

        def note(done: Done) -> None:
            self._findings.add(HookActs(hook, done.what, done.place))

        started = time.thread_time()
        with io_watch().watching(self._findings.files.have, note):
            yield
        took = time.thread_time() - started
        if took > MOST_SECONDS:
            self._findings.add(HookSlow(hook, round(took, 1), place()))

    def answered(self, asked: Asked, answer: object) -> object:
        """Take an answer; return what the core is to get."""
        if asked.hook == "probes" and isinstance(answer, list):
            return [self._at_stand_in(asked, each) if isinstance(each, Endpoint) else each for each in answer]
        if isinstance(answer, Path) and self._is_inside(asked, answer):
            self._pretend_to_run(answer)
        if isinstance(answer, Signal):
            self._is_inside(asked, answer.pid_file)
        found = answer if isinstance(answer, list) else [answer]
        with self._lock:
            known = [action for before, action in self._actions if before == asked]
            new = [each for each in found if isinstance(each, Command | Signal) and each not in known]
            self._actions += [(asked, each) for each in new]
        return answer

    def asked_for(self, action: Action) -> Sequence[Asked]:
        """Return the hooks that have answered with an action."""
        with self._lock:
            return [asked for asked, known in self._actions if _matches(known, action)]

    def _at_stand_in(self, asked: Asked, endpoint: Endpoint) -> Endpoint:
        if not speaks_tls(endpoint.probe):
            kind = type(endpoint.probe).__name__
            self._findings.leave_out(f"{endpoint}: what {kind} sees there, which takes the service itself")
        probe = StandInProbe(self._stand_in, asked.declaration.instance, endpoint.probe)
        return replace(endpoint, probe=probe)

    def _is_inside(self, asked: Asked, path: Path) -> bool:
        inside = "{" in str(path) or path.is_relative_to(self._stand_in.layout.root)
        if not inside:
            place = place_of_method(asked.declaration, asked.hook)
            self._findings.add(PathOutside(asked.hook, str(path), place))
        return inside

    def _pretend_to_run(self, pid_file: Path) -> None:
        if "{" not in str(pid_file) and not pid_file.exists():
            pid_file.parent.mkdir(parents=True, exist_ok=True)
            pid_file.write_text(f"{self._pid}\n")
            os.utime(pid_file)


class _Policy:
    """Outermost wrapper of every hook of a life."""

    def __init__(self, watch: HookWatch) -> None:
        for hook in LIFE:
            setattr(self, hook, _watching(hook, watch))


def _watching(hook: str, watch: HookWatch) -> Callable[..., Generator[None, object, object]]:
    @hookimpl(wrapper=True, tryfirst=True, specname=hook)
    def watched(asked: Declaration) -> Generator[None, object, object]:
        with watch.asking(hook, lambda: place_of_method(asked, hook)):
            answer = yield
        return watch.answered(Asked(hook, asked), answer)

    return watched


def _matches(known: Action, action: Action) -> bool:
    """Whether an action is the known one, with its marks filled in."""
    if type(known) is not type(action):
        return False
    return re.fullmatch(MARK.sub(".*", re.escape(str(known))), str(action), re.DOTALL) is not None
