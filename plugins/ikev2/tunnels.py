"""Connections between sites as charon has them: up or down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugins.ikev2.configuration import Configuration
from plugins.ikev2.vici_socket import plain

UP = frozenset({"ESTABLISHED", "REKEYING", "REKEYED", "PASSIVE"})
"""States of an IKE SA that has been authenticated (RFC 7296), by charon's names."""
BEGINNING = frozenset({"CREATED", "CONNECTING"})
CHILD_UP = frozenset({"INSTALLED", "UPDATING", "REKEYING", "REKEYED"})


@dataclass(frozen=True)
class Tunnel:
    """One connection, with what charon lists of it."""

    name: str
    begun: tuple[str, ...]
    """Its children that this side begins."""
    states: tuple[str, ...]
    """Of its IKE SAs."""
    children: frozenset[str]
    """Those that are up."""

    @property
    def is_up(self) -> bool:
        """Whether all is up that this side begins, or anything where the other one does."""
        return bool(self.children) and self.children.issuperset(self.begun)

    @property
    def is_beginning(self) -> bool:
        """Whether charon is dialling at this moment."""
        return not self.is_up and any(each in BEGINNING for each in self.states)

    @property
    def why(self) -> str:
        """Why it is down, a clause that stays the same as long as nothing changes."""
        if self.is_up:
            return ""
        if self.is_beginning:
            return "the other side does not answer"
        if any(each in UP for each in self.states):
            return "both sides know each other, and no network is connected"
        return "there is no IKE SA"


def tunnels(charon: Any, configuration: Configuration) -> list[Tunnel]:
    """Return the connections that hand out no addresses: the others are for clients, who come and go."""
    sas: dict[str, list[Mapping[str, Any]]] = {}
    for listed in charon.list_sas():
        for name, sa in plain(listed).items():
            sas.setdefault(name, []).append(sa)
    names = [name for name, each in sorted(configuration.connections.items()) if "pools" not in each]
    return [_tunnel(name, configuration.initiated.get(name, []), sas.get(name, [])) for name in names]


def _tunnel(name: str, begun: list[str], sas: list[Mapping[str, Any]]) -> Tunnel:
    known = [each for each in sas if each.get("state") in UP]
    children = {
        child["name"]
        for each in known
        for child in each.get("child-sas", {}).values()
        if child.get("state") in CHILD_UP
    }
    return Tunnel(name, tuple(begun), tuple(each.get("state", "") for each in sas), frozenset(children))
