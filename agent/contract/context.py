"""Contexts that hooks get: facts and places, no handles and no keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agent.model.need import HostFacts
from agent.model.root import RootPhase
from agent.pki.chain import KeyType
from agent.system.names import is_address
from agent.system.places import Places

if TYPE_CHECKING:
    from pydantic import BaseModel

    from agent.contract.service import Service

S = TypeVar("S", bound="Service")
LOOPBACK = ("127.0.0.1", "::1")
"""Addresses of ``localhost`` (RFC 6761 section 6.3), whatever a resolver says."""
DIRECTORY_MARK = "/@generation-directory@"
"""Mark for a generation's own directory until it is staged, so that a digest doesn't depend on the number."""
NUMBER_MARK = "@generation-number@"
"""Mark for a generation's number until it is staged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """Facts of a chain, without its key."""

    id: str
    """SHA-256 of the leaf, lower-case hex."""
    names: tuple[str, ...]
    source: str
    issuer: str
    key_type: KeyType
    not_after: datetime
    intermediates: int
    """How many intermediates are sent after the leaf."""
    other_roots: tuple[str, ...] = ()
    """PEM of roots that came with an upload beside its own: what its authority signs with next, or has signed with before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Http01:
    """Places for answers to HTTP-01 challenges (RFC 8555 section 8.3)."""

    webroot: Path
    """Files below it are served under ``/.well-known/acme-challenge/``."""
    thumbprint: str | None = None
    """Of the ACME account key (RFC 7638): a server that knows it can answer without a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One root of the appliance, for modules that verify what it has signed for others (`Module.verifies_peers`)."""

    sha256: str
    subject: str
    certificates: str
    """PEM: the root's certificate, then those above it where it is a subordinate CA."""
    crl: str
    """PEM: its newest list of revoked certificates (RFC 5280 section 5); empty where it can't sign one."""
    present: bool
    """It signs now: of two, each for keys of its own kind, the main one."""
    phase: RootPhase = RootPhase.SIGNING
    """How far it is in its life. What a root has signed is believed until it is retired; why one was, only the operator
    knows: its key may be compromised."""
    crosses: str = ""
    """PEM: certificates of its name and key by other roots of the appliance, for who knows only those."""

    @property
    def believed(self) -> bool:
        """Whether what it has signed, or will, is to be believed: services get these, a retired one stays for its list."""
        return self.phase is not RootPhase.RETIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Context of one generation of one module."""

    module: str
    directory: Path
    """The generation's own; a mark while files are rendered, the real one for commands and probes."""
    generation: str
    """The generation's number as text; a mark while files are rendered."""
    chains: Mapping[str, ChainFacts]
    """By slot. A slot without a usable chain is not in it."""
    host: HostFacts
    http01: Http01
    places: Places
    services: Mapping[str, BaseModel] = field(default_factory=dict)
    """Those that the module names, as the operator has set them: for files of a service that can't include others'."""
    issuers: tuple[Issuer, ...] = ()
    """The present root first, then a prepared one and earlier ones; none unless the module `verifies_peers`."""
    resolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host name -> addresses, of those that `names_to_resolve` returns. One without a known address isn't in it."""

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return where to connect to for a host of `names_to_resolve`, an address or ``localhost``; none: it isn't known now.

        They are sorted. The files are made again when they change.
        """
        if host == "localhost":
            return LOOPBACK
        return (host,) if is_address(host) else self.resolved.get(host, ())

    def service(self, kind: type[S]) -> S:
        """Return the settings of one of `services` by its class."""
        found = self.services[kind.name]
        assert isinstance(found, kind)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ModulePart:
    """One module's generation, as a shared service includes it."""

    module: str
    plugin: str
    """Name of the module's class: two instances of one plugin may be in one service."""
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceContext:
    """Context of one candidate entry of one service."""

    service: str
    directory: Path
    """Of this entry; the check command is given files of this one, the daemon reads `places.live`."""
    parts: tuple[ModulePart, ...]
    """Modules in order of their names; those without a generation are left out."""
    host: HostFacts
    http01: Http01
    places: Places

    @property
    def generation(self) -> str:
        """The entry's number as text; a mark while files are rendered."""
        return NUMBER_MARK if str(self.directory) == DIRECTORY_MARK else self.directory.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change that the administrator is about to make."""

    kind: str
    """``root``, ``retirement``, ``chain``, ``peer`` or ``setting``."""
    subject: str
    """Id of the chain that goes, SHA-256 of the new root or of the one that retires, serial number of the peer certificate, or
    the setting's key.

    Empty while that is not known.
    """
    slots: tuple[str, ...] = ()
    """Slots of this module whose chain would change."""
    bridged: bool = False
    """Of ``root``: who knows the present root alone takes what the new one signs, by a cross-certificate that is sent with it."""
    still_believed: bool = False
    """Of ``root``: what the present root has signed is believed on, where peers are verified, until that root is retired."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """Consequence of a change, by name: what it would break."""

    sentence: str
    _: KW_ONLY
    severity: str = "warning"
    """``info``, ``warning`` or ``outage``."""
