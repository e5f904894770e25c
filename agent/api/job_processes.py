"""Processes of jobs: each is a command of its own, which a crash or the end of this process doesn't stop."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from agent.errors.api import JobLost
from agent.store import Store
from agent.system.layout import Layout

COMMAND = (sys.executable, "-P", "-m", "agent")


class JobProcesses:
    """Processes that were started, each with a thread that waits for it."""

    def __init__(self, layout: Layout, clock: Callable[[], datetime], command: Sequence[str] = COMMAND) -> None:
        """`command`: what `chainwright` is."""
        self._layout = layout
        self._clock = clock
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._running = 0

    @property
    def running(self) -> int:
        """Number of processes that run."""
        with self._lock:
            return self._running

    def start(self, job: str, words: Sequence[str]) -> None:
        """Run ``chainwright WORDS --job JOB``. The store knows the job. Raises `JobLost` if it can't be started."""
        argv = [*self._command, "--root", str(self._layout.root), *words, "--json", "--job", job]
        try:
            # A session of its own: signals that end this process don't end it.
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise self._lost(job, (error.strerror or str(error)).lower()) from error
        with self._lock:
            self._running += 1
        threading.Thread(target=self._wait, args=(job, process), daemon=True).start()

    def _wait(self, job: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        try:
            self._lost(job, f"exit code {code}" if code >= 0 else f"signal {-code}")
        finally:
            with self._lock:
                self._running -= 1

    def _lost(self, job: str, reason: str) -> JobLost:
        """Note that a job has ended, where it has not said so itself."""
        error = JobLost(reason)
        with Store.open_existing(self._layout) as store, store.write():
            store.jobs.end(job, self._clock(), 1, error.problem)
        return error
