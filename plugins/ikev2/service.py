"""strongSwan as a service: a program of ours loads the configuration into charon over vici."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from chainwright import Command, Module, PathText, Places, Port, ServiceContext, SystemdService, Template, Text, Word

STATE = "strongswan-loaded.json"
"""In the agent's run/, which is emptied at boot, as charon is."""


class StrongSwan(SystemdService):
    """strongSwan."""

    name: ClassVar[str] = "strongswan"
    title: ClassVar[str] = "strongSwan"

    main: Literal["include", "own"] = Field(
        "include",
        description='"include": your charon, beside what your swanctl.conf says; "own": a charon of its own',
    )
    unit: Word = "strongswan"
    drop_in: bool = Field(
        True,
        description='have the unit load our configuration at each start and reload, for manager = "systemd", main = "include"',
    )
    binary: PathText = Field("/usr/sbin/charon-systemd", description="the program; not looked for below --root")
    vici: PathText | None = Field(
        None, description="charon's control socket; default: /run/charon.vici, for main = \"own\" in the agent's run/"
    )
    port: Port = Field(500, description='of IKE: where it is looked at, and for main = "own" where it is served')
    port_nat_t: Port = Field(4500, description="of IKE and ESP behind address translation; likewise")
    interfaces: tuple[Word, ...] = Field(
        (),
        description='network interfaces that it serves; default: all; for main = "include" only where it is looked at',
    )
    userspace: bool = Field(
        False, description='encrypt in charon itself, where the kernel has no IPsec (kernel-libipsec); for main = "own"'
    )

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        """Refuse a second connection of one name: charon would replace the first."""
        owners: dict[str, str] = {}
        for name, module in sorted(modules.items()):
            for connection in getattr(module, "connection_names", ()):
                owner = owners.setdefault(connection, name)
                if owner != name:
                    yield name, f'the module "{owner}" has a connection called "{connection}" already'

    def render_entry(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return strongswan.conf of our own charon, or what has your unit load our configuration."""
        values = {"load": " ".join(self._load(context).argv)}
        if self.main == "own":
            yield Template(path="strongswan.conf", values={**values, "vici": self.socket(context.places)})
        elif self.manager == "systemd" and self.drop_in and context.parts:
            place = Path(f"/etc/systemd/system/{self.unit}.service.d/chainwright.conf")
            yield Template(path="unit.conf", values=values, publish=place, how="copy")

    def check_command(self, context: ServiceContext) -> Command:
        """Read what would be loaded: strongSwan has no test."""
        return _python("check", self.binary, *(str(part.directory) for part in context.parts))

    def reload_command(self, context: ServiceContext) -> Command:
        """Load it."""
        return self._load(context)

    @property
    def reload_proves(self) -> bool:
        """Charon answers each thing that it is told over vici, and what it refuses is a failure."""
        return True

    def running(self, context: ServiceContext) -> Command:
        """Ask charon."""
        return _python("sas", str(self.socket(context.places)))

    def start_program(self, context: ServiceContext) -> Command:
        """Start charon; its own configuration has it load ours."""
        places = context.places
        log, pid_file = places.log / "charon.log", self.pid_path(places)
        configuration = places.live / "strongswan.conf" if self.main == "own" else places.rooted("/etc/strongswan.conf")
        files = [str(each) for each in (self.socket(places), pid_file, log, places.run / STATE)]
        return _python("start", self.binary, str(configuration), *files, *self._live(context))

    def pid_path(self, places: Places) -> Path:
        """Return where the process id of a charon is written that the agent has started."""
        return places.run / "charon.pid"

    def sessions(self, places: Places) -> Command:
        """Return what lists who is connected."""
        return _python("sas", str(self.socket(places)))

    def socket(self, places: Places) -> Path:
        """Return where charon is spoken to."""
        if self.vici is None and self.main == "own":
            return places.run / "charon.vici"
        return places.rooted(self.vici or "/run/charon.vici")

    def observe_command(self, context: ServiceContext) -> Command | None:
        """Compare what charon has with what was loaded, and see which connections between sites are up."""
        return self._loaded(context, "observe") if context.parts else None

    def mend_command(self, context: ServiceContext, subject: str) -> Command | None:
        """Dial a connection that is down."""
        return self._loaded(context, "dial", "--connection", subject.removeprefix("tunnel "))

    def _load(self, context: ServiceContext) -> Command:
        """Return what loads the generations in service of all modules."""
        return self._loaded(context, "load")

    def _loaded(self, context: ServiceContext, program: str, *more: str) -> Command:
        """Return a program about what is loaded of the generations in service of all modules."""
        places = context.places
        socket, state = str(self.socket(places)), str(places.run / STATE)
        return _python(program, "--socket", socket, "--state", state, *more, *self._live(context))

    @staticmethod
    def _live(context: ServiceContext) -> list[str]:
        return [str(part.directory.parent / "live") for part in context.parts]


def _python(program: str, *arguments: str) -> Command:
    return Command((sys.executable, "-P", "-m", f"plugins.ikev2.{program}", *arguments))
