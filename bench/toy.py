"""Drop-in plugin with any number of needs. Its probe reads the file of a service, so that no handshake is timed."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from chainwright import ChainFile, Context, Endpoint, Expected, HostFacts, Module, Need, Part, Probe, Served, hookimpl


class FileProbe(Probe):
    """Probe that reads the file in service."""

    def __init__(self, live: Path) -> None:
        self._live = live

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        return Served(fingerprints=expected.fingerprints if (self._live / f"{endpoint.slot}.pem").exists() else ())


class Toy(Module):
    """Module with many chains."""

    name: ClassVar[str] = "toy"
    files = (ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    check = ("true",)
    reload = ("true",)
    count: int = 1

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(f"s{number}.example.test", slot=f"s{number}") for number in range(self.count)]

    def probes(self, context: Context) -> Iterable[Endpoint]:
        probe = FileProbe(context.places.live)
        return [Endpoint(port=1, server_name=slot, slot=slot, probe=probe) for slot in context.chains]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Toy]
