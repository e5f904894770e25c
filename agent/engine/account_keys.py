"""ACME account keys that the settings want: made when first needed, and kept where a table gets another name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from agent.registry.sources import SourceHandle
from agent.sources.acme.values import account_entry
from agent.store import Store

if TYPE_CHECKING:
    from agent.engine.pass_inputs import PassInputs


def key_owners(rungs: Iterable[SourceHandle]) -> list[str]:
    """Return whose account keys are used: the shared one's is empty."""
    return list(dict.fromkeys(each.key_owner for each in rungs if each.uses_account_key))


def with_account_key(inputs: PassInputs, store: Store, now: datetime) -> PassInputs:
    """Make the ACME account keys that rungs use and that there are not: services answer with the one that is shared.

    A table that has another name than before keeps its own. Call under the lock.
    """
    rungs = inputs.settings.rungs
    missing = [each for each in key_owners(rungs.values()) if store.account_keys.present(each) is None]
    if not missing or store.database.has_damaged("account_keys"):  # the account would be lost with it
        return inputs
    from agent.pki.account_key import make_account_key

    with store.write():
        missing = [each for each in missing if not (each and _keeps_that_of_its_former_name(store, rungs, each))]
    keys = {owner: make_account_key() for owner in missing}
    with store.write():
        made = {owner: store.account_keys.add(key, now, owner) for owner, key in keys.items()}
    if "" not in made:
        return inputs
    http01 = replace(inputs.enabled.http01, thumbprint=made[""].thumbprint)
    return replace(inputs, enabled=replace(inputs.enabled, http01=http01))


def _keeps_that_of_its_former_name(store: Store, rungs: Mapping[str, SourceHandle], name: str) -> bool:
    """Whether exactly one name that no table has any more has an own key and an account at the same CA: both follow."""
    entry = _entry_of(rungs[name])
    former = [
        each
        for each in store.memories.sources_with(entry)
        if each not in rungs and store.account_keys.present(each) is not None
    ]
    if len(former) != 1:
        return False
    store.account_keys.rename(former[0], name)
    store.memories.write(name, entry, store.memories.read(former[0], entry))
    store.memories.write(former[0], entry, {})
    return True


def known_by_another_key(store: Store, rungs: Iterable[SourceHandle]) -> Iterator[str]:
    """Yield the sources whose CA knows the account by another key than the one that the settings want now."""
    for each in rungs:
        if each.uses_account_key and (entry := _entry_of(each)):
            state, keys = store.memories.read(each.name, entry), store.account_keys
            known = {
                found.thumbprint for found in (keys.present(each.key_owner), keys.proposed(each.key_owner)) if found
            }
            if state.get("status") == "valid" and known and state.get("thumbprint") not in known:
                yield each.name


def _entry_of(source: SourceHandle) -> str:
    """Return where a source remembers its account; empty: it isn't one of this program's own."""
    directory = getattr(source.source, "directory_url", "") if source.group == "acme" else ""
    return account_entry(directory) if directory else ""
