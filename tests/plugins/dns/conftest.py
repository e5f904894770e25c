"""What a DNS solver is called with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.dns.solver_context import SolverContext
from support.fakes.source_context import utc_now
from support.servers.dns_program import AGENT


@pytest.fixture
def context(tmp_path: Path) -> SolverContext:
    """A context whose paths are the machine's own."""
    return SolverContext(rooted=Path, now=utc_now)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The agent's TSIG key, as nsupdate reads it."""
    path = tmp_path / "agent.key"
    path.write_text(f'key {AGENT.name} {{ algorithm {AGENT.algorithm}; secret "{AGENT.secret}"; }};\n')
    return path


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Write a shell script; return its path."""

    def write(text: str, name: str = "hook") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write
