"""Names that modules on nginx answer to, and contradictions between them.

nginx itself is silent about that: of two servers with one name on one address it takes the first and warns, and
an address that one server calls ``ssl`` is TLS for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

NO_NAME = ""
"""Clients that connect to an address and send no name."""
EVERY_NAME = "*"
"""Any name that a client sends."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One name at one address."""

    address: str
    name: str
    tls: bool

    def __str__(self) -> str:
        if self.name == NO_NAME:
            return f"clients that send no name at {self.address}"
        return f"{'every name' if self.name == EVERY_NAME else self.name} at {self.address}"


@runtime_checkable
class Claiming(Protocol):
    """Module that says which names it answers to."""

    def claims(self) -> Iterable[Claim]:
        """Give what it answers to, at each of its addresses."""


def contradictions(modules: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Give the module whose settings contradict those of another one, and why: once for each two modules.

    Modules that don't say what they answer to are left out.
    """
    owners: dict[Claim, str] = {}
    kinds: dict[str, tuple[bool, str]] = {}
    for name, module in sorted(modules.items()):
        told: set[str] = set()
        for claim in module.claims() if isinstance(module, Claiming) else ():
            tls, first = kinds.setdefault(claim.address, (claim.tls, name))
            owner = owners.setdefault(claim, name)
            other = first if tls is not claim.tls else owner
            if other != name and other not in told:
                told.add(other)
                yield name, _reason(claim, other, mixed=tls is not claim.tls)


def _reason(claim: Claim, other: str, *, mixed: bool) -> str:
    if mixed:
        mine, theirs = ("HTTPS", "plain HTTP") if claim.tls else ("plain HTTP", "HTTPS")
        return f'serves {mine} at {claim.address}, where the module "{other}" serves {theirs}; change one of the two addresses'
    return f'the module "{other}" answers {claim} as well; leave that to one of them'
