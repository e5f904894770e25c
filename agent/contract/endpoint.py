"""Endpoints of a service, and the chains expected and served there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from agent.system.argument_types import refuse_wrong_types

if TYPE_CHECKING:
    from agent.contract.fields import Listen
    from agent.model.need import HostFacts


PROBE_LABEL = "chainwright-probe"


def concrete_name(name: str) -> str:
    """Return a name that a client may ask for: a wildcard's asterisk is replaced by a label."""
    return name.replace("*", PROBE_LABEL, 1)


def usable_addresses(addresses: tuple[Listen, ...], host: HostFacts) -> tuple[Listen, ...]:
    """Leave out ``[::]`` on a host without IPv6, where many services don't start with it, unless nothing else is left."""
    with_ipv6 = any(":" in address for address in host.addresses)
    return tuple(each for each in addresses if with_ipv6 or each.host != "::") or addresses


class StartTLS(StrEnum):
    """Protocols whose connection begins in the clear. For another one, see `TLSProbe.before`."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    FTP = "ftp"
    LDAP = "ldap"
    MYSQL = "mysql"
    """Also MariaDB. Its servers count connections that end before a password, but not from the loopback: look there."""
    NNTP = "nntp"
    POSTGRES = "postgres"
    SIEVE = "sieve"
    """ManageSieve (RFC 5804)."""
    XMPP = "xmpp"
    """As a client connects."""
    XMPP_SERVER = "xmpp-server"
    """As another server does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A TCP address, or a UNIX socket where `path` is set."""

    host: str = "127.0.0.1"
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Chain and generation that an endpoint has to present."""

    fingerprints: tuple[str, ...]
    """SHA-256 of leaf and intermediates, in the order in which they are sent; lower-case hex."""
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Chain and generation that an endpoint presented."""

    fingerprints: tuple[str, ...]
    """As in `Expected`."""
    generation: int | None = None
    """The generation's number where the service shows it."""
    certificate: bytes = field(default=b"", repr=False, compare=False)
    """The leaf, DER, where the probe can tell: so that somebody else's is named."""


class Probe(ABC):
    """Way of looking at a service. Built in: TLS with its STARTTLS variants."""

    @abstractmethod
    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        """Make one fresh connection and return what is presented.

        `deadline` is an instant of `time.monotonic`. Raises `agent.errors.ProbeFailed` when there is no answer, or when the
        layer above TLS is dead. Whether what is presented is what was expected is the core's to judge.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One place at which one slot's chain is seen on the wire. Without `probe` it is TLS.

    A `host` that a service listens at for every address, ``0.0.0.0`` (IPv4), ``::`` (IPv6) or an empty one (both), is looked at
    on each address of this machine. By the first, which is on the loopback, a deployment is judged.
    """

    port: int = 0
    server_name: str = ""
    """Sent as SNI (RFC 6066 section 3); empty: none is sent."""
    slot: str = "default"
    host: str = "127.0.0.1"
    path: Path | None = None
    starttls: StartTLS | None = None
    probe: Probe | None = None
    handshakes: int | None = None
    """In a row that must agree after a reload; None: as the settings say. One will do for further names of an address at which
    others have shown already that the service has settled."""
    generation_socket: Path | None = None
    """UNIX socket that answers ``GET /generation`` with the number in service, where the service can show it."""
    others: tuple[Address, ...] = ()
    """Further addresses at which the same is served. Each is looked at by one of its names."""
    interfaces: tuple[str, ...] = ()
    """Network interfaces to which a service limits itself that listens at every address; empty: it serves on all of them."""

    def __post_init__(self) -> None:
        if type(self.port) is not int or not 0 <= self.port <= 65535:
            raise ValueError(f"the port of an endpoint must be a number from 1 to 65535, and is {self.port!r}")
        if not (self.port or self.path or self.probe):
            raise ValueError("an endpoint has a port or a path")
        refuse_wrong_types(self)

    @property
    def address(self) -> Address:
        """Where to connect to."""
        return Address(host=self.host, port=self.port, path=self.path)

    def __str__(self) -> str:
        return f"{self.address} ({self.server_name})" if self.server_name else str(self.address)

    @property
    def key(self) -> str:
        """Tell this endpoint from the others of its module."""
        return f"{self.slot} {self.address} {self.server_name}"
