"""A DNS of real servers, all on one port of loopback, for DNS challenges: the fixture `zones` of the tests' conftest.

- `named` (127.0.0.1) is the primary of zones, and the resolver that a CA and the agent ask;
- `knotd` (127.0.0.2) is their secondary, and the primary of zones of its own;
- the root (127.0.0.3) refers to them.

``zones.add("a.test")`` makes a zone that both serve. ``zones.bind9.txt(NAME)``, ``zones.knot.txt(NAME)`` read values;
``zones.bind9.frozen(ZONE)``, ``zones.knot.silent()`` let them misbehave. A test takes names of its own: all tests of a process
share the servers. A CA asks at ``zones.place``: the option `dns_place` of Pebble and acme2certifier.
"""

from __future__ import annotations

from pathlib import Path

from support.ports import free_port
from support.servers.bind9 import Bind9
from support.servers.dns_program import AGENT, Key
from support.servers.dns_server import Server, delegation, own_data
from support.servers.knot import Knot

BIND9, KNOT, ROOT = "127.0.0.1", "127.0.0.2", "127.0.0.3"


class Zones:
    """The servers; what they serve is added."""

    key: Key = AGENT
    """What the agent signs its changes with: it may change TXT records."""
    roots = (ROOT,)

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._known: dict[str, str] = {}
        self._delegations: dict[str, dict[str, list[str]]] = {}
        self.root = Server(ROOT, self.port, own_data("", {}))
        self._open: list[Bind9 | Knot] = []
        try:
            self.bind9 = Bind9(_made(directory / "bind9"), address=BIND9, port=self.port, secondary=KNOT)
            self._open.append(self.bind9)
            self.knot = Knot(_made(directory / "knot"), address=KNOT, port=self.port, primary=BIND9)
            self._open.append(self.knot)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for server in self._open:
            server.end()
        self.root.close()

    @property
    def place(self) -> str:
        """Where a resolver answers: ``ADDRESS:PORT``."""
        return self.bind9.place

    def add(self, zone: str, *, secondary: bool = True, policy: str = "", notify_delay: int = 0) -> str:
        """Make a zone whose primary is `bind9`, with its secondary; `policy`: of who may change what. Return its name."""
        addresses = [BIND9, KNOT] if secondary else [BIND9]
        self.bind9.add_zone(zone, addresses, policy=policy, notify_delay=notify_delay)
        if secondary:
            self.knot.add_secondary(zone)
        self._delegate(zone, addresses)
        return zone

    def add_to_knot(self, zone: str) -> str:
        """Make a zone that only `knot` serves. Return its name."""
        self.knot.add_zone(zone, [KNOT])
        self._delegate(zone, [KNOT])
        self.bind9.forward(zone, KNOT)
        return zone

    def host(self, name: str, address: str = "127.0.0.1") -> None:
        """Give a name of a zone an address."""
        self._primary(name).update(self.zone_of(name), ("add", name, "A", address))

    def alias(self, name: str, target: str) -> None:
        """Make a name of a zone another one's alias."""
        self._primary(name).update(self.zone_of(name), ("add", name, "CNAME", f"{target}."))

    def zone_of(self, name: str) -> str:
        """Return the zone, among those that were added, in which a name lies."""
        return max((each for each in self._known if f".{name}".endswith(f".{each}")), key=len, default="")

    def _delegate(self, zone: str, addresses: list[str]) -> None:
        above = self.zone_of(zone.partition(".")[2])
        records = delegation(zone, addresses, glue=True)
        if above:
            self._primary(above).update(above, *_additions(records))
        else:
            self._delegations |= records
            self.root.answer = own_data("", dict(self._delegations))
            self.bind9.update("", *_additions(records))  # its own root, as it is a resolver too
        self._known[zone] = addresses[0]

    def _primary(self, name: str) -> Bind9 | Knot:
        return self.bind9 if self._known[self.zone_of(name)] == BIND9 else self.knot


def _additions(records: dict[str, dict[str, list[str]]]) -> list[tuple[str, ...]]:
    return [
        ("add", name, kind, value)
        for name, types in records.items()
        for kind, values in types.items()
        for value in values
    ]


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
