"""TXT records that would prove the names of a chain for good (dns-persist-01), as people are shown them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.errors.problem import Problem
from agent.model.persistent import PersistentLook


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record that is to be in DNS."""

    source: str
    ca: str
    """What people call it."""
    names: tuple[str, ...]
    """What the record is to prove."""
    owner: str
    value: str
    line: str
    """As it stands in a zone's file."""
    state: str
    """How far it is, in a few words."""
    right: bool
    """Whether each server of the zone has it."""
    wrong: bool
    """Whether one is there, and no server has it as it is to be."""
    seen: int
    servers: int
    problem: Problem | None


def record_rows(looks: Iterable[PersistentLook], names: Iterable[str]) -> Iterator[RecordRow]:
    """Yield the records of names, where it is known what they are to be."""
    wanted = set(names)
    for each in looks:
        if each.value and wanted & set(each.names):
            yield RecordRow(
                source=each.source,
                ca=each.ca,
                names=each.names,
                owner=each.record.owner,
                value=each.record.value,
                line=each.record.zone_line,
                state=each.state,
                right=each.problem is None and bool(each.proves),
                wrong=each.wrong,
                seen=each.seen,
                servers=each.servers,
                problem=each.problem,
            )
