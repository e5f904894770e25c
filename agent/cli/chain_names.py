"""Lookup of a chain by the beginning of its id, or by one of its names."""

from __future__ import annotations

from agent.cli.commands import Invocation
from agent.errors.usage import AmbiguousId, UnknownChain
from agent.report import read_snapshot


def chain_named(invocation: Invocation, text: str, *, source: str = "") -> str:
    """Return the id of one chain; of those with the name, the one in use. Raises `UnknownChain` or `AmbiguousId`."""
    snapshot = read_snapshot(invocation.layout, invocation.now())
    records = [record for record in snapshot.chains if not source or record.source == source]
    by_id = [record.id for record in records if record.id.startswith(text.lower())]
    if len(by_id) == 1:
        return by_id[0]
    in_use = {binding.chain for binding in snapshot.bindings}
    by_name = [record.id for record in records if text.lower() in record.names]
    chosen = [each for each in by_name if each in in_use] or by_name
    if len(chosen) == 1:
        return chosen[0]
    if chosen or by_id:
        raise AmbiguousId(text, chosen or by_id)
    raise UnknownChain(text, {name for record in records for name in record.names})
