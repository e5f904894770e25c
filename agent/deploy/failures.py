"""Failures of one module: the one guard around what a pass does for each, so that none costs another one its chain."""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import AgentError
from agent.errors.damage import DiskFailed, StepFailed
from agent.errors.store import DatabaseRefused
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store.failures import is_of_the_file
from agent.system.obstacles import obstacle

SCOPE = "module steps"


class ModuleFailures:
    """What has failed in one pass for a module or a shared service alone. Threads may share it."""

    def __init__(self) -> None:
        self._found: dict[tuple[SubjectKind, str, str], Finding] = {}
        self._noted: list[tuple[str, AgentError]] = []

    @contextmanager
    def apart(self, step: str, name: str, kind: SubjectKind = SubjectKind.MODULE) -> Iterator[None]:
        """Do a step for one module or service. What fails in it is noted, and the pass goes on with the next one.

        `step`: a noun phrase, for a sentence. A database that can't be used is everybody's matter, and raised.
        """
        try:
            yield
        except Exception as error:
            self.note(name, as_error(error, step, name), kind=kind)

    def note(
        self,
        name: str,
        error: AgentError,
        severity: Severity = Severity.WARNING,
        kind: SubjectKind = SubjectKind.MODULE,
    ) -> None:
        """Note that something failed for a module or a service."""
        found = Finding(kind, name, severity, error.problem)
        self._found.setdefault(found.key, found)

    @property
    def findings(self) -> list[Finding]:
        """Return what was noted."""
        return [*self._found.values()]


def as_error(error: Exception, step: str, module: str) -> AgentError:
    """Return what has failed as an error that is told. Raises what is not about one module: a database that can't be used."""
    if isinstance(error, DatabaseRefused) or (isinstance(error, sqlite3.Error) and is_of_the_file(error)):
        raise error
    if isinstance(error, AgentError):
        return error
    if isinstance(error, OSError):
        return disk_failed(Path(error.filename or module), error)
    words = f"{type(error).__name__}: {error}".rstrip(": ")
    return StepFailed(module, step, words, "".join(traceback.format_exception(error)))


def disk_failed(path: Path, error: OSError) -> DiskFailed:
    """Return the error that names what stands in the way at a path, and the cure."""
    return DiskFailed(*obstacle(path, error))
