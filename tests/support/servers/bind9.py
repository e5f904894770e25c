"""BIND's `named` on loopback: primary of zones that are changed by RFC 2136, and a resolver with a root of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.ports import free_port
from support.servers.dns_program import ADMIN, AGENT, Key, ServerProgram, zone_text
from support.waiting import until


class Bind9(ServerProgram):
    """A `named`. As an authoritative server it is asked for its zones; with the wish for recursion it follows aliases too."""

    def __init__(self, directory: Path, *, address: str = "127.0.0.1", port: int, secondary: str = "") -> None:
        """`secondary`: address of the server, at the same port, that is told of changes."""
        self._control_port = free_port()
        self._secondary = secondary
        self.zones: dict[str, str] = {"": "allow-update { key admin; };"}
        self._forwards: dict[str, str] = {}
        super().__init__(directory, "named", ["-g", "-X", "none", "-c", directory / "named.conf"], address, port)
        (directory / "rndc.key").write_text(_key(ADMIN))
        (directory / "root.zone").write_text(zone_text("", [address]))
        self._configure()
        self.start()

    def add_zone(self, zone: str, addresses: Sequence[str], *, policy: str = "", notify_delay: int = 0) -> None:
        """Serve a zone whose servers are at `addresses`; `policy`: who may change what, other than the key `agent` TXT.

        `notify_delay`: seconds between two notices of changes to its secondary. BIND's own default is 5.
        """
        (self.directory / f"{zone}.zone").write_text(zone_text(zone, addresses))
        rules = policy or f"grant agent wildcard *.{zone}. TXT;"
        delayed = f" notify-delay {notify_delay};" if notify_delay else ""
        notified = f"also-notify {{ {self._secondary} port {self.port}; }};{delayed}" if len(addresses) > 1 else ""
        self.zones[zone] = f"update-policy {{ grant admin zonesub ANY; {rules} }}; {notified}"
        self._configure()
        self._control("reconfig")
        until(lambda: self.serial(zone), what=f"named has {zone}")

    def forward(self, zone: str, address: str) -> None:
        """Resolve the names of a zone by another server, at the same port."""
        self._forwards[zone] = address
        self._configure()
        self._control("reconfig")

    @contextmanager
    def frozen(self, zone: str) -> Iterator[None]:
        """Let it refuse each change of a zone (REFUSED)."""
        self._control("freeze", zone)
        try:
            yield
        finally:
            self._control("thaw", zone)

    def updates(self) -> list[str]:
        """Return its lines about changes, one a record: ``... updating zone 'ZONE/IN': adding an RR at 'NAME' TXT "VALUE"``."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if ": updating zone '" in line]

    def _control(self, *words: str) -> None:
        self.control("rndc", "-k", self.directory / "rndc.key", "-s", self.address, "-p", self._control_port, *words)

    def _configure(self) -> None:
        zones = "".join(
            f'zone "{zone or "."}" {{ type primary; file "{zone or "root"}.zone"; {rules} }};\n'
            for zone, rules in self.zones.items()
        )
        forwards = "".join(
            f'zone "{zone}" {{ type forward; forward only; forwarders {{ {address} port {self.port}; }}; }};\n'
            for zone, address in self._forwards.items()
        )
        (self.directory / "named.conf").write_text(f"""
options {{
    directory "{self.directory}";
    listen-on port {self.port} {{ {self.address}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion yes;
    dnssec-validation no;
    empty-zones-enable no;
    notify explicit;
    notify-delay 0;
    allow-transfer {{ any; }};
}};
logging {{ category update {{ default_stderr; }}; category update-security {{ default_stderr; }}; }};
{_key(ADMIN)}{_key(AGENT)}
controls {{ inet {self.address} port {self._control_port} allow {{ 127.0.0.0/8; }} keys {{ admin; }}; }};
{zones}{forwards}""")


def _key(key: Key) -> str:
    return f'key {key.name} {{ algorithm {key.algorithm}; secret "{key.secret}"; }};\n'
