"""Consequences of another root, by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainwright import Change, Consequence
from plugins.ikev2.branch import Branch
from plugins.ikev2.connection import RoadWarrior

NAMED = 20
"""Sessions that are named one by one; there may be thousands."""


@dataclass(frozen=True, slots=True)
class VpnSession:
    """One IKE SA (RFC 7296) as `plugins.ikev2.sas` prints it."""

    connection: str
    user: str
    remote_host: str

    def __str__(self) -> str:
        return f"{self.user} at {self.remote_host}"


def consequences_of(
    change: Change,
    observed: str,
    branches: Iterable[Branch],
    connections: Iterable[RoadWarrior],
    slots: Mapping[str, str],
) -> Iterator[Consequence]:
    """Yield what `change` breaks. `slots`: of each road warrior's connection."""
    branches, connections = [each for each in branches if each.issued is None], list(connections)
    if change.kind == "retirement":
        yield from _of_a_retirement(branches, connections)
    elif change.kind == "root" and change.bridged:
        yield from _of_a_bridged_root(branches, connections)
    elif change.kind == "root":
        yield from _of_a_root(change, sessions_in(observed), branches, connections, slots)
    # a chain or a setting is loaded beside what is up


def _of_a_root(
    change: Change,
    sessions: Sequence[VpnSession],
    branches: Iterable[Branch],
    connections: Iterable[RoadWarrior],
    slots: Mapping[str, str],
) -> Iterator[Consequence]:
    for branch in branches:
        yield _of_branch(branch, [each for each in sessions if each.connection == branch.name], change)
    for connection in connections:
        if connection.by_own_root or slots[connection.name] in change.slots:
            yield _of_clients(connection, [each for each in sessions if each.connection == connection.name], change)


def _of_a_bridged_root(branches: Iterable[Branch], connections: Iterable[RoadWarrior]) -> Iterator[Consequence]:
    """Yield what is to be done in time: charon sends the cross-certificate, and peers that know either root go on."""
    for branch in branches:
        export = f" and a certificate of it (chainwright ikev2 export {branch.name})" if branch.by_own_root else ""
        yield Consequence(
            f"The connection {branch.name} with {branch.peer} goes on. Before the old root is retired, its peer needs the new "
            f"one{export}."
        )
    for connection in connections:
        if connection.by_own_root:
            yield Consequence(
                f"Clients of the connection {connection.name} go on. Before the old root is retired, they need the new one and "
                "certificates of it."
            )


def _of_a_retirement(branches: Sequence[Branch], connections: Sequence[RoadWarrior]) -> Iterator[Consequence]:
    """Yield who is refused, or refuses: charon is no longer given the cross-certificate, where it verifies by the own root."""
    by_own_root = any(each.by_own_root for each in branches) or any(each.by_own_root for each in connections)
    for branch in branches if by_own_root else ():
        certificate = " or has no certificate of the new one" if branch.by_own_root else ""
        yield Consequence(
            f"The connection {branch.name} with {branch.peer} stops if its peer knows only the root that retires{certificate}."
        )
    for connection in connections if by_own_root else ():
        certificate = " or have no certificate of the new one" if connection.by_own_root else ""
        yield Consequence(
            f"Clients of the connection {connection.name} can't dial in that know only the root that retires{certificate}."
        )


def sessions_in(observed: str) -> list[VpnSession]:
    """Return what an inspection has printed."""
    rows = [json.loads(line) for line in observed.splitlines() if line.startswith("{")]
    return [
        VpnSession(row["connection"], row["user"], row["remote_host"]) for row in rows if row["state"] == "ESTABLISHED"
    ]


def _of_branch(branch: Branch, sessions: Sequence[VpnSession], change: Change) -> Consequence:
    up = f" It is up now ({_listed(sessions)}) and drops when it next authenticates." if sessions else ""
    renewed = branch.by_own_root and not change.still_believed
    certificate = f" and a certificate of it (chainwright ikev2 export {branch.name})" if renewed else ""
    return Consequence(
        f"The connection {branch.name} with {branch.peer} stops until its peer has the new root{certificate}.{up}",
        severity="outage",
    )


def _of_clients(connection: RoadWarrior, sessions: Sequence[VpnSession], change: Change) -> Consequence:
    renewed = connection.by_own_root and not change.still_believed
    what = "have the new root and certificates of it" if renewed else "have the new root"
    up = f" Connected now, and dropped when they next authenticate: {_listed(sessions)}." if sessions else ""
    return Consequence(
        f"Clients of the connection {connection.name} can't dial in until they {what}.{up}",
        severity="outage" if sessions or connection.by_own_root else "warning",
    )


def _listed(sessions: Sequence[VpnSession]) -> str:
    more = [f"{len(sessions) - NAMED} more"] if len(sessions) > NAMED else []
    return ", ".join([*map(str, sessions[:NAMED]), *more])
