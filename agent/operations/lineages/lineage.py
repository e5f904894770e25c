"""Lineages and accounts in the directory of another client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.operations.lineages.client_files import ClientFiles


@dataclass(frozen=True, slots=True)
class Lineage:
    """What another client renews as one."""

    name: str
    """As the client calls it."""
    certificates: Path
    """The leaf and its intermediates, PEM."""
    key: Path
    ca: str = ""
    """Its CA, as the client writes it down: see `authority.is_directory`; empty: it doesn't."""
    intermediates: Path | None = None
    """Where they may be alone, where `certificates` has the leaf only."""


@dataclass(frozen=True, slots=True)
class ClientAccount:
    """Account of another client at a CA."""

    ca: str
    """Its CA, as the client writes it down."""
    key: Path
    """A JWK, or PEM."""
    url: str = ""
    """The account's own; empty: the client doesn't write it down."""


@dataclass(frozen=True, slots=True)
class Client:
    """Another ACME client. Its readers name files by name, and open none but those that say which CA is meant."""

    name: str
    usual: str
    """Its directory, as its packages have it."""
    holds: str
    """Where in it the lineages are."""
    lineages: Callable[[ClientFiles], Iterator[Lineage]]
    accounts: Callable[[ClientFiles], Iterator[ClientAccount]]
    """Yields those first that lineages are renewed by."""
    stop: str
    """Command that ends its renewals where it is installed as usual."""
    stopped_too: str = ""
    """What else the command ends, and what to do where that is needed: sentences."""
