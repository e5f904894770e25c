"""Names that mail is served under, and their chains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainwright import KeyType, concrete_name


@dataclass(frozen=True, slots=True)
class Domain:
    """One name with its slots and the key types that each accepts: one slot, or one for each of two kinds of keys."""

    name: str
    accepted: Mapping[str, tuple[KeyType, ...]]


@dataclass(frozen=True, slots=True)
class Served:
    """One name with the slots that have a chain."""

    name: str
    slots: tuple[str, ...]

    @property
    def concrete(self) -> str:
        """A name that a client may ask for."""
        return concrete_name(self.name)

    @property
    def in_postfix(self) -> str:
        """The name as postfix looks it up (postconf(5), tls_server_sni_maps): what is below a name has a dot before it."""
        return self.name.removeprefix("*")


def served(domains: Iterable[Domain], chains: Mapping[str, object]) -> list[Served]:
    """Return the names that have chains, with the slots that have one."""
    found = [Served(each.name, tuple(slot for slot in each.accepted if slot in chains)) for each in domains]
    return [each for each in found if each.slots]
