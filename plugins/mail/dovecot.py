"""dovecot as a service: an entry that includes the module's file, for its own instance or for your dovecot.conf."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from chainwright import Command, PathText, Places, Service, ServiceContext, Signal, Template, Text, Word


class Dovecot(Service):
    """dovecot."""

    name: ClassVar[str] = "dovecot"
    title: ClassVar[str] = "dovecot"

    version: Literal["2.3", "2.4"] = Field(
        "2.3", description="whose settings are written: they have other names since 2.4 (Debian 13)"
    )
    main: Literal["include", "own"] = Field(
        "include",
        description='"include": your dovecot.conf includes ours; "own": ours is the main file of an instance of its own',
    )
    manager: Literal["systemd", "commands"] = Field(
        "systemd", description="how dovecot is reloaded and started: by its unit, or by a signal and its binary"
    )
    unit: Word = Field("dovecot", description='systemd unit, for manager = "systemd"')
    binary: PathText = Field("/usr/sbin/dovecot", description="the program; not looked for below --root")
    doveconf: PathText = Field("/usr/bin/doveconf", description="tests configurations; not looked for below --root")
    configuration: PathText = Field("/etc/dovecot/dovecot.conf", description='your main file, for main = "include"')
    include: PathText = Field(
        "/etc/dovecot/conf.d/99-chainwright.conf", description='what your main file includes, for main = "include"'
    )
    pid_file: PathText | None = Field(
        None, description='default: /run/dovecot/master.pid; for main = "own" in the agent\'s run/'
    )
    state: PathText = Field("/var/lib/chainwright-dovecot", description='state_dir, for main = "own"')

    def render(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return the main file, or what your main file includes."""
        if self.main == "own":
            yield Template(path="dovecot.conf")
            return
        yield Template(path="dovecot.conf", template="include.conf.j2")
        yield Text(
            path="include.conf",
            text=f"# Made by Chainwright; changes here are lost.\n!include {context.places.live}/dovecot.conf\n",
            publish=Path(self.include),
            how="copy",
        )

    @property
    def checks_in_place(self) -> bool:
        """Whether only the configuration in service can be tested, as your main file names it."""
        return self.main == "include"

    def check_with(self, context: ServiceContext) -> Command:
        """Have the configuration read, with every file that it names; whether key and chain match is nobody's concern there.

        One harmless setting is printed in place of all of them.
        """
        main_file = self._main_file(context.places, context.directory)
        return Command((self.doveconf, "-c", str(main_file), "-x", "-h", "base_dir"))

    def reload_with(self, context: ServiceContext) -> Command | Signal:
        """Reload: dovecot reads chains only then."""
        if self.manager == "systemd":
            return Command(("systemctl", "reload", self.unit))
        return Signal(self.pid_path(context.places))

    def running(self, context: ServiceContext) -> Path:
        """Look for the master."""
        return self.pid_path(context.places)

    def start_with(self, context: ServiceContext) -> Command:
        """Start."""
        if self.manager == "systemd":
            return Command(("systemctl", "start", self.unit))
        return Command((self.binary, "-c", str(self._main_file(context.places, context.places.live))))

    def setting(self, what: Literal["cert", "key"], second: bool) -> str:
        """Return the name of the setting for a chain or key of the server, or of its second pair."""
        alternative = "alt_" if second else ""
        return f"ssl_server_{alternative}{what}_file" if self.version == "2.4" else f"ssl_{alternative}{what}"

    @property
    def content_of(self) -> str:
        """What stands before a path where a setting is what the file holds."""
        return "" if self.version == "2.4" else "<"

    def base(self, places: Places) -> Path:
        """Return base_dir of an instance of our own."""
        return places.run / "dovecot"

    def pid_path(self, places: Places) -> Path:
        """Return where the master's number stands."""
        if self.pid_file is None and self.main == "own":
            return self.base(places) / "master.pid"
        return places.rooted(self.pid_file or "/run/dovecot/master.pid")

    def _main_file(self, places: Places, entry: Path) -> Path:
        return entry / "dovecot.conf" if self.main == "own" else places.rooted(self.configuration)
