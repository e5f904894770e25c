"""Trace of the calls of plugins, for their authors: who was asked what, for how long, and what kind of thing came back."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Protocol, TypeGuard, TypeVar

T = TypeVar("T")
VARIABLE = "CHAINWRIGHT_TRACE_HOOKS"
"""In the environment, and so in that of the processes that this one starts: a file, or what follows."""
TO_STDERR = "-"


class Asked(Protocol):
    """What a call is about."""

    @property
    def plugin(self) -> str:
        """Return the plugin that is asked."""

    @property
    def hook(self) -> str:
        """Return what it is asked."""

    @property
    def subject(self) -> str:
        """Return what it is asked about."""

    @property
    def others(self) -> tuple[str, ...]:
        """Return the plugins that wrap the hook."""


class HookTrace:
    """Teller of each call, a line when it has ended. Values are never told: they may hold a secret."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def traced(self, asked: Asked, work: Callable[[], T]) -> T:
        """Do `work`, and tell of it. What it raises goes on."""
        begun = time.perf_counter()
        try:
            answer = work()
        except BaseException as error:
            self._tell(asked, begun, _raised(error))
            raise
        self._tell(asked, begun, described(answer))
        return answer

    def _tell(self, asked: Asked, begun: float, end: str) -> None:
        spent = (time.perf_counter() - begun) * 1000
        wrapping = f", wrapped by {', '.join(asked.others)}" if asked.others else ""
        self._write(f"{spent:9.1f} ms  plugin {asked.plugin}: {asked.hook} of {asked.subject}{wrapping}: {end}")


def trace_of(environment: Mapping[str, str]) -> HookTrace | None:
    """Return the trace that an environment asks for; None: it asks for none."""
    where = environment.get(VARIABLE, "")
    if not where:
        return None
    return HookTrace(_to_stderr if where == TO_STDERR else _Appending(where).write)


class _Appending:
    """File to which several processes append lines."""

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self, line: str) -> None:
        """Append a line; what can't be written is left out."""
        with suppress(OSError):
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)


def _to_stderr(line: str) -> None:
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201


def described(answer: object) -> str:
    """Return the type of an answer; of several, also in lists in a list, how many there are of each."""
    if answer is None:
        return "nothing"
    if not _is_several(answer):
        return _name(answer)
    counts = Counter(_name(each) for one in answer for each in (one if _is_several(one) else [one]))
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _is_several(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields")


def _name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _raised(error: BaseException) -> str:
    """Say what was raised: the guard's error has it as its cause."""
    place = getattr(error, "place", "")
    return f"raised {type(error.__cause__ or error).__name__}{f' at {place}' if place else ''}"
