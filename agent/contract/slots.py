"""Names of slots, and the slots of a name: one chain, or two of different key types."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from agent.pki.chain import KeyType

LONGEST_ENDING = len(".ed25519")
"""Characters that a second slot's name is longer than the first one's."""


def slot_of(name: str, longest: int = 128 - LONGEST_ENDING) -> str:
    """Return the slot for a canonical name: safe as a directory's name, stable, and different for different names."""
    if ":" in name:
        return f"ip6-{name.replace(':', '-')}"
    text = name.replace("*.", "_wildcard.", 1)
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: longest - 17]}-{digest}"


def slots_by_key_type(
    slot: str, first: KeyType, second: KeyType | None, every: tuple[KeyType, ...]
) -> Mapping[str, tuple[KeyType, ...]]:
    """Return a slot, or two, each with the key types that it accepts; the first of them is asked for.

    `every`: what the service accepts, in order of preference. Two slots accept nothing in common: of two chains of one kind
    a service presents only one.
    """
    if second is None:
        return {slot: _preferring(first, every)}
    kinds = {slot: first, f"{slot}.{_family(second)}": second}
    return {each: _preferring(asked, _like(asked, every)) for each, asked in kinds.items()}


def told_apart(first: KeyType, second: KeyType) -> bool:
    """Whether clients can tell two chains apart: those that can't do the one take the other."""
    return first.kind is not second.kind


def _like(asked: KeyType, every: tuple[KeyType, ...]) -> tuple[KeyType, ...]:
    return tuple(each for each in every if not told_apart(asked, each))


def _preferring(asked: KeyType, accepted: tuple[KeyType, ...]) -> tuple[KeyType, ...]:
    return accepted if accepted[0] is asked else (asked, *(each for each in accepted if each is not asked))


def _family(key_type: KeyType) -> str:
    return key_type.partition("-")[0]
