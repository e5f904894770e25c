"""Creation of the appliance's own root as the settings say."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import count

from agent.config.settings import RootSettings
from agent.model.need import HostFacts
from agent.pki.authority import Root
from agent.pki.key import KeyType
from agent.store import Store
from agent.system.release import RELEASED_AT

LONGEST_NAME = 64
"""RFC 5280 appendix A: ub-common-name."""


ALGORITHMS = {"rsa": "RSA", "ecdsa": "ECDSA", "ed25519": "Ed25519"}


def make_root(
    settings: RootSettings,
    host: HostFacts,
    now: datetime,
    taken: Collection[str] = (),
    key_type: KeyType | None = None,
    *,
    beside: bool = False,
) -> Root:
    """Return a new self-signed root, whose common name is none of `taken`: clients tell roots apart by their names.

    `key_type`: another one than the first that the settings want. `beside`: its name says what keys it is for.
    """
    key_type = key_type or settings.key_types[0]
    subject = settings.subject or f"{host.name} Root CA"
    ending = f" {ALGORITHMS[key_type.partition('-')[0]]}" if beside else ""
    return Root.create(
        unused_name(subject[: LONGEST_NAME - len(ending)].rstrip() + ending, now, taken),
        settings.organization or "",
        now,
        RELEASED_AT,
        lifetime=timedelta(days=settings.lifetime_days),
        key_type=key_type,
    )


def unused_name(wanted: str, now: datetime, taken: Collection[str]) -> str:
    """Return `wanted`, else with the year, else with year and number."""
    if wanted[:LONGEST_NAME] not in taken:
        return wanted[:LONGEST_NAME]
    endings = (f" {now.year}" if number == 1 else f" {now.year}-{number}" for number in count(1))
    names = (wanted[: LONGEST_NAME - len(ending)].rstrip() + ending for ending in endings)
    return next(name for name in names if name not in taken)


def names_in_use(store: Store) -> frozenset[str]:
    """Return the names of all roots, those too that a database restored from a copy doesn't know: clients may."""
    from agent.errors import AgentError
    from agent.pki.certificate import load_certificates, title_of
    from agent.system.trust import read_regular

    found = {each.subject for each in store.roots.all()}
    for path in store.layout.private.glob("root-*.pem"):
        try:
            found.add(title_of(load_certificates(read_regular(path))[0]))
        except (OSError, AgentError):  # a file that nobody can read gives no name
            continue
    return frozenset(found)
