"""A program of a test CA, with its log, from when it answers until it's ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from support.waiting import until

WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Lets a program end when the tests are killed."""


class Program:
    """One process at a time: it can be started again."""

    def __init__(
        self, log: Path, argv: Sequence[object], url: str, *, environment: Mapping[str, str], trust: Path | None = None
    ) -> None:
        """`url`: where it answers when it's up, whatever it answers; `trust`: file with the roots for that."""
        self.log = log
        self._argv = [*WITH_US, *map(str, argv)]
        self._url = url
        self._environment = environment
        self._trust = trust
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._process is None, f"{self.log.stem} is up"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], **self._environment},
            )
        try:
            until(self._answers, what=f"{self.log.stem} answers at {self._url}")
        except BaseException:
            self.end()  # who could not start it has nothing to end it with
            raise

    def end(self) -> None:
        """Kill it: nothing that it keeps is lost by that."""
        if self._process:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def _answers(self) -> bool:
        assert self._process
        code = self._process.poll()
        assert code is None, f"{self.log.stem} ended with {code}:\n{tail(self.log)}"
        try:
            directly().get(self._url, timeout=20, verify=str(self._trust) if self._trust else True)
        except requests.ConnectionError:
            return False
        return True


def directly() -> requests.Session:
    """Return a session that goes through no proxy, whatever the environment says."""
    session = requests.Session()
    session.trust_env = False
    return session


def tail(log: Path, size: int = 8000) -> str:
    """Return the end of a log."""
    return log.read_bytes()[-size:].decode(errors="replace") if log.exists() else ""
