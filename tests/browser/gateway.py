"""A drop-in plugin: services of a gateway as far as the page shows them. What they "serve" is what the files say.

Below the appliance's root, `bin/check.NAME` lets a service's own test refuse new files with that text; `observed` names the
IPsec peers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from chainwright import (
    Action,
    ChainFile,
    Change,
    Command,
    Consequence,
    Context,
    Endpoint,
    Expected,
    HostFacts,
    Module,
    Name,
    Need,
    Part,
    Port,
    Probe,
    ProbeFailed,
    Served,
    Service,
    ServiceContext,
    hookimpl,
)


class FileProbe(Probe):
    """Looks at the file in service."""

    def __init__(self, live: Path, *, silent: bool = False) -> None:
        self._live = live
        self._silent = silent

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        if self._silent:
            raise ProbeFailed(str(endpoint), "nobody listens there")
        return Served(fingerprints=expected.fingerprints if (self._live / f"{endpoint.slot}.pem").exists() else ())


class Named(Module):
    """A service with a chain for each of its names."""

    files = (ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    names: tuple[Name, ...]
    port: Port = 443

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(name, slot=name.replace("*", "_wildcard")) for name in self.names]

    def check_command(self, context: Context) -> Command:
        live = context.places.live
        return Command((str(context.places.rooted("/bin/check")), self.name, str(context.directory), str(live)))

    def reload_command(self, context: Context) -> Action:
        return Command(("true",))

    def probes(self, context: Context) -> Iterable[Endpoint]:
        probe = FileProbe(context.places.live, silent=bool(self.services))
        return [Endpoint(port=self.port, server_name=slot, slot=slot, probe=probe) for slot in context.chains]


class Mailboxes(Named):
    name: ClassVar[str] = "mailboxes"
    title: ClassVar[str] = "Mail"


class Sites(Named):
    name: ClassVar[str] = "sites"
    title: ClassVar[str] = "Reverse proxy"


class Remote(Named):
    name: ClassVar[str] = "remote"
    title: ClassVar[str] = "VPN (SSTP)"


class Kiosk(Named):
    name: ClassVar[str] = "kiosk"
    title: ClassVar[str] = "Kiosk"


class Hotspot(Named):
    name: ClassVar[str] = "hotspot"
    title: ClassVar[str] = "Captive portal"
    services: ClassVar[tuple[str, ...]] = ("radio",)


class Radio(Service):
    """What is not running when nobody plugged it in."""

    name: ClassVar[str] = "radio"

    def reload_command(self, context: ServiceContext) -> Action:
        return Command(("true",))

    def running(self, context: ServiceContext) -> Path:
        return context.places.run / "radio.pid"


class Tunnels(Named):
    name: ClassVar[str] = "tunnels"
    title: ClassVar[str] = "VPN (IKEv2)"

    def inspect_command(self, context: Context) -> Command:
        return Command(("cat", str(context.places.rooted("/observed"))))

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        if change.kind == "root":
            for peer in observed.split():
                yield Consequence(
                    f"The IPsec connection to {peer} stops until its certificate is replaced.", severity="outage"
                )


@hookimpl
def register_services() -> list[type[Service]]:
    return [Radio]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Mailboxes, Sites, Remote, Kiosk, Hotspot, Tunnels]
