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
    if change.kind != "root":
        return  # a chain or a setting is loaded beside what is up
    sessions = sessions_in(observed)
    for branch in branches:
        if branch.issued is None:
            yield _of_branch(branch, [each for each in sessions if each.connection == branch.name])
    for connection in connections:
        found = [each for each in sessions if each.connection == connection.name]
        by_own_root = connection.by_certificate and not connection.client_ca
        if by_own_root or slots[connection.name] in change.slots:
            yield _of_clients(connection, found, by_own_root=by_own_root)


def sessions_in(observed: str) -> list[VpnSession]:
    """Return what an inspection has printed."""
    rows = [json.loads(line) for line in observed.splitlines() if line.startswith("{")]
    return [
        VpnSession(row["connection"], row["user"], row["remote_host"]) for row in rows if row["state"] == "ESTABLISHED"
    ]


def _of_branch(branch: Branch, sessions: Sequence[VpnSession]) -> Consequence:
    up = f" It is up now ({_listed(sessions)}) and drops when it next authenticates." if sessions else ""
    certificate = f" and a certificate of it (chainwright ikev2 export {branch.name})" if branch.by_own_root else ""
    return Consequence(
        f"The connection {branch.name} with {branch.peer} stops until its peer has the new root{certificate}.{up}",
        "outage",
    )


def _of_clients(connection: RoadWarrior, sessions: Sequence[VpnSession], *, by_own_root: bool) -> Consequence:
    what = "have the new root and certificates of it" if by_own_root else "have the new root"
    up = f" Connected now, and dropped when they next authenticate: {_listed(sessions)}." if sessions else ""
    return Consequence(
        f"Clients of the connection {connection.name} can't dial in until they {what}.{up}",
        "outage" if sessions or by_own_root else "warning",
    )


def _listed(sessions: Sequence[VpnSession]) -> str:
    more = [f"{len(sessions) - NAMED} more"] if len(sessions) > NAMED else []
    return ", ".join([*map(str, sessions[:NAMED]), *more])
