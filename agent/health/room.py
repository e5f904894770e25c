"""Findings about file systems that are nearly full, or mounted read-only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.disk import Shortage
from agent.system.paths import LOG, RUN, STATE

MIB = 1024 * 1024
CODE = "status.disk"
READ_ONLY = "status.read_only"
EFFECTS = {
    STATE: "nothing is renewed or deployed, as nothing can be stored",
    RUN: "no command can run, as none can take the lock",
    LOG: "services can't write their logs, and some don't start without",
}
"""What happens when the file system of a directory is full."""
WORDS = {STATE: "state", RUN: "sockets and lock", LOG: "logs"}


def of_room(shortages: Iterable[Shortage]) -> Iterator[Finding]:
    """Yield a finding for each file system on which there is little room."""
    for found in shortages:
        severity = Severity.ERROR if found.severe else Severity.WARNING
        problem = read_only(found) if found.read_only else nearly_full(found)
        yield Finding(SubjectKind.APPLIANCE, found.mount, severity, problem, title=_title(found))


def with_room(noted: Sequence[Finding], shortages: Iterable[Shortage]) -> tuple[Finding, ...]:
    """Return the findings that passes have noted, with those about room as it is now in place of theirs."""
    before = {each.key: each.since for each in noted}
    others = [each for each in noted if each.problem.code not in {CODE, READ_ONLY}]
    return (*others, *(replace(each, since=before.get(each.key)) for each in of_room(shortages)))


def nearly_full(found: Shortage) -> Problem:
    """Say that a file system is nearly full, and what happens when it is."""
    left = f"{found.free // MIB} MiB are free" if found.inodes is None else f"{found.inodes} more files can be made"
    count = "" if found.inodes is None else " --inodes"
    return Problem(
        CODE,
        f"The file system is nearly full: {left}.",
        found.mount,
        f"See what takes it: du -x{count} -d 3 {found.mount} | sort -n | tail",
        f"What is served goes on. When it is full, {_effects(found)}.",
    )


def read_only(found: Shortage) -> Problem:
    """Say that a file system can't be written to, and what that means."""
    return Problem(
        READ_ONLY,
        "The file system is mounted read-only.",
        found.mount,
        f"See why (dmesg), then: mount -o remount,rw {found.mount}",
        f"What is served goes on. Until then, {_effects(found)}.",
    )


def _effects(found: Shortage) -> str:
    return ", and ".join(
        text for place, text in EFFECTS.items() if any(each.endswith(place) for each in found.directories)
    )


def _title(found: Shortage) -> str:
    """Return what the disk is for: the page is not told the paths of the agent's files."""
    words = [word for place, word in WORDS.items() if any(each.endswith(place) for each in found.directories)]
    return f"disk ({', '.join(words)})"
