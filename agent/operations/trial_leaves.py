"""Trial leaves: what clients would make of the chains that a root will sign, before it signs any."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from agent.pki.chain import KeyType, Purpose, generate_key
from agent.pki.judgement import Judgement

if TYPE_CHECKING:
    from datetime import datetime

    from agent.pki.authority import Root
    from agent.pki.chain import Chain

TOGETHER = 100
"""Names of one trial leaf: many more would themselves be odd."""
KEY_TYPE = KeyType.ECDSA_P256
Wanted: TypeAlias = "tuple[Sequence[str], Collection[Purpose]]"
"""Names that are to be signed for, and for what."""


def judge_signed(root: Root, wanted: Iterable[Wanted], now: datetime) -> Judgement:
    """Return what clients make of leaves for all names of `wanted`. Raises `RootExpired`."""
    from agent.pki.judge import judge

    top = (root.certificate, *root.parents)[-1]
    leaves = _trial_leaves(root, wanted, now)
    found = [judge(chain, purpose=purpose, now=now, anchors=[top]) for purpose, chain in leaves]
    return Judgement(
        tuple(dict.fromkeys(each for one in found for each in one.refused)),
        tuple(dict.fromkeys(each for one in found for each in one.warnings)),
    )


def names_not_permitted(root: Root, wanted: Wanted, now: datetime) -> list[str]:
    """Return the names that the root may not sign for (name constraints). Raises `RootExpired`."""
    from cryptography import x509

    from agent.pki.certificate import extension
    from agent.pki.name_constraints import forbidden

    path = (root.certificate, *root.parents)
    if all(extension(each, x509.NameConstraints) is None for each in path):
        return []
    (_, chain), *_ = _trial_leaves(root, [wanted], now)
    return list(dict.fromkeys(name for name, _ in forbidden((chain.leaf, *path))))


def _trial_leaves(root: Root, wanted: Iterable[Wanted], now: datetime) -> Iterator[tuple[Purpose, Chain]]:
    key = generate_key(KEY_TYPE)
    known = list(wanted)
    for purpose in Purpose:
        names = list(dict.fromkeys(name for some, purposes in known if purpose in purposes for name in some))
        for at in range(0, len(names), TOGETHER):
            yield purpose, root.issue(names[at : at + TOGETHER], KEY_TYPE, purpose, now, key=key)
