"""SSTP as a module: settings, need, files and endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar, Self

from pydantic import Field, model_validator

from chainwright import (
    TLS_KEY_TYPES,
    ChainFile,
    Change,
    Command,
    Consequence,
    Context,
    Endpoint,
    Host,
    HostFacts,
    KeyType,
    ListenAddress,
    Module,
    Need,
    Part,
    Template,
    Text,
    is_address,
)
from plugins.sstp.service import SSTPService
from plugins.sstp.sessions import NAME as SSTP_SERVER

SLOT = "default"
RESTARTED = "sstp-server is restarted, as it reads a chain only at its start"
NAMED = 20
"""Sessions that are named one by one; there may be thousands."""


class SSTP(Module):
    """SSTP VPN."""

    name: ClassVar[str] = "sstp"
    title: ClassVar[str] = "SSTP VPN"
    services: ClassVar[tuple[str, ...]] = ("sstp",)
    key_types: ClassVar[tuple[KeyType, ...]] = TLS_KEY_TYPES
    # Both daemons open them as root.
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        ChainFile(path="fullchain.pem", parts=(Part.FULLCHAIN,)),
        ChainFile(path="key.pem", parts=(Part.KEY,)),
    )

    domain: Host = Field(description="name or address that clients connect to")
    listen: ListenAddress = Field(
        "0.0.0.0:443", validate_default=True, description="where SSTP is served: one address and its port"
    )
    gateway: IPv4Address = Field(
        IPv4Address("192.168.20.1"), description="the server's own address inside of the tunnels"
    )
    pool: IPv4Network = Field(IPv4Network("192.168.20.0/24"), description="addresses that clients get in their tunnels")
    clients: tuple[IPv4Network, ...] = Field(
        (IPv4Network("0.0.0.0/0"),),
        min_length=1,
        description="addresses that clients may connect from; only of an accel-ppp whose main file is ours",
    )

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for one chain."""
        return [self.need(self.domain, slot=SLOT)]

    def render_files(self, context: Context) -> Iterable[Template | Text]:
        """Return the configuration of the daemon that is chosen; it names the chain, so it is of its slot."""
        service = context.service(SSTPService)
        name = "sstpd.conf" if service.restarts else "sstp.conf"
        yield Template(path=name, slot=SLOT, values={"service": service})

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Look at SSTP itself, as far as PPP: either may be dead behind a good handshake."""
        from plugins.sstp.probe import SSTPProbe

        host, port = self.listen.host, self.listen.port
        probe = SSTPProbe(room=context.service(SSTPService).room(context.places, self.places_in_pool))
        return [
            Endpoint(host=host, port=port, server_name=self.domain, slot=slot, probe=probe) for slot in context.chains
        ]

    def inspect_command(self, context: Context) -> Command | None:
        """Ask who is connected, where that is going to matter."""
        return context.service(SSTPService).sessions(context.places)

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        """Say whose sessions drop: sstp-server reads a chain only at its start. accel-ppp keeps all of them."""
        first, *lines = observed.splitlines() or [""]
        if first != SSTP_SERVER or SLOT not in change.slots:
            return
        sessions = [line.removeprefix("session ") for line in lines if line.startswith("session ")]
        yield _dropped(sessions) if sessions else Consequence(f"No SSTP session is up; {RESTARTED}.", severity="info")

    @property
    def tunnels(self) -> str:
        """Addresses for clients as accel-ppp takes them: without that of the network itself, up to the last but one."""
        first, last = self.pool[1], self.pool[-2]
        return f"{first}-{str(last).rpartition('.')[2]}" if self.pool.prefixlen >= 24 else str(self.pool)

    @property
    def places_in_pool(self) -> int:
        """How many clients have an address at a time: all but the network's own, broadcast and the gateway's."""
        return self.pool.num_addresses - 2 - (self.gateway in self.pool)

    @property
    def probed_from(self) -> str:
        """The address that the agent's own connection comes from, which the server must let in."""
        return "" if ":" in self.listen.host else f"{self.listen.looked_at}/32"

    @model_validator(mode="after")
    def _addresses_fit(self) -> Self:
        if not is_address(self.listen.host):
            raise ValueError(f'listen is an address and a port, and "{self.listen.host}" is a name')
        if self.pool.num_addresses < 4:
            raise ValueError(f"pool {self.pool} has no room for clients; give it a prefix of 30 bits at most")
        overlapping = next((each for each in self.clients if each.prefixlen and each.overlaps(self.pool)), None)
        if overlapping:
            raise ValueError(
                f"clients may not connect from inside of the tunnels: {overlapping} overlaps pool {self.pool}"
            )
        return self


def _dropped(sessions: list[str]) -> Consequence:
    """Name them, as far as people read on."""
    more = [f"{len(sessions) - NAMED} more"] if len(sessions) > NAMED else []
    what = "1 SSTP session drops" if len(sessions) == 1 else f"{len(sessions)} SSTP sessions drop"
    return Consequence(f"{what} ({', '.join([*sessions[:NAMED], *more])}); {RESTARTED}.", severity="outage")
