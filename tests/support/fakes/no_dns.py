"""Lookups where every name is in a zone without servers: no record is waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class NoDns:
    """In the place of `agent.dns.lookups.Lookups`."""

    def canonical_name(self, name: str, _budget: object) -> str:
        return name

    def authoritative_servers(self, _name: str, _budget: object) -> Sequence[Any]:
        return ()

    def ask_each(self, _name: str, _servers: object, _budget: object) -> Mapping[Any, Any]:
        return {}
