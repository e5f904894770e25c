"""Knot DNS's `knotd` on loopback: secondary of a Bind9's zones, and primary of its own, which are changed by RFC 2136."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.servers.dns_program import ADMIN, AGENT, ServerProgram, zone_text
from support.waiting import until

ACL = f"""
key:
  - id: {ADMIN.name}
    algorithm: {ADMIN.algorithm}
    secret: {ADMIN.secret}
  - id: {AGENT.name}
    algorithm: {AGENT.algorithm}
    secret: {AGENT.secret}
acl:
  - id: transfers
    action: transfer
  - id: notifies
    address: 127.0.0.0/8
    action: notify
  - id: admin
    key: {ADMIN.name}
    action: update
  - id: agent
    key: {AGENT.name}
    action: update
    update-type: TXT
"""


class Knot(ServerProgram):
    """A `knotd`."""

    def __init__(self, directory: Path, *, address: str = "127.0.0.2", port: int, primary: str = "127.0.0.1") -> None:
        """`primary`: address of the server, at the same port, that secondary zones come from."""
        self._primary = primary
        self.zones: dict[str, bool] = {}
        # paths of sockets are short, those of tests are not
        self._short = tempfile.TemporaryDirectory(prefix="knot-")
        self._socket = Path(self._short.name) / "control"
        super().__init__(directory, "knotd", ["-s", self._socket, "-c", directory / "knot.conf"], address, port)
        self._configure()
        self.start()

    def end(self) -> None:
        super().end()
        self._short.cleanup()

    def add_zone(self, zone: str, addresses: Sequence[str]) -> None:
        """Serve a zone of its own whose servers are at `addresses`; the key `agent` may change its TXT records."""
        (self.directory / f"{zone}.zone").write_text(zone_text(zone, addresses))
        self._add(zone, own=True)

    def add_secondary(self, zone: str) -> None:
        """Serve a zone of the primary's."""
        self._add(zone, own=False)

    @contextmanager
    def frozen(self, zone: str) -> Iterator[None]:
        """Let it leave a zone as it is: neither fetch it, if it's a secondary one, nor take changes."""
        self._control("zone-freeze", zone)
        try:
            yield
        finally:
            self._control("zone-thaw", zone)
            if not self.zones[zone]:
                self._control("zone-refresh", zone)

    def _add(self, zone: str, *, own: bool) -> None:
        self.zones[zone] = own
        self._configure()
        self._control("reload")
        until(lambda: self.serial(zone), what=f"knotd has {zone}")

    def _control(self, *words: str) -> None:
        self.control("knotc", "-s", self._socket, "--blocking", *words)

    def _configure(self) -> None:
        zones = "".join(
            f"  - domain: {zone}\n    template: {'own' if own else 'secondary'}\n" for zone, own in self.zones.items()
        )
        (self.directory / "knot.conf").write_text(f"""
server:
    listen: {self.address}@{self.port}
    rundir: {self._short.name}
log:
  - target: stderr
    any: info
database:
    storage: {self.directory}
{ACL}
remote:
  - id: primary
    address: {self._primary}@{self.port}
template:
  - id: own
    storage: {self.directory}
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
    acl: [transfers, admin, agent]
  - id: secondary
    storage: {self.directory}
    master: primary
    zonefile-sync: -1
    acl: [transfers, notifies]
{"zone:" if zones else ""}
{zones}""")
