"""dovecot as a service: an entry that includes the module's file, for its own instance or for your dovecot.conf."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from chainwright import Action, Command, IncludedService, PathText, Places, ServiceContext, Template, Text, Word

RELOAD = Path(__file__).with_name("dovecot_reload.py")
SESSIONS = Path(__file__).with_name("dovecot_sessions.py")
"""Programs that import nothing heavy: started by path, they are there at once."""
RELOAD_SECONDS = 240.0
"""More than the reload's own patience, which tells more: where it is cut off, good chains go back too."""
BINARY = "/usr/sbin/dovecot"
NEWER = (2, 4)
"""Version since which settings have other names."""


def version_of(binary: str) -> Literal["2.3", "2.4"]:
    """Return whose settings a dovecot reads; "2.3" where it isn't installed, or doesn't say."""
    with suppress(OSError, subprocess.SubprocessError):
        argv = (binary, "--version")
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3, check=True)
        found = re.match(r"(\d+)\.(\d+)", done.stdout)
        if found and (int(found[1]), int(found[2])) >= NEWER:
            return "2.4"
    return "2.3"


class Dovecot(IncludedService):
    """dovecot."""

    name: ClassVar[str] = "dovecot"
    title: ClassVar[str] = "dovecot"
    main_file: ClassVar[str] = "dovecot.conf"
    usual_pid_file: ClassVar[str] = "/run/dovecot/master.pid"
    own_pid_file: ClassVar[str] = "dovecot/master.pid"

    include_directive: ClassVar[re.Pattern[str]] = re.compile(r"^\s*!include(?:_try)?\s+(\S+)")
    line_to_add: ClassVar[str] = "as its last line: !include {}"

    version: Literal["2.3", "2.4"] = Field(
        default_factory=lambda given: version_of(given.get("binary") or BINARY),
        description="whose settings are written: they have other names since 2.4 (Debian 13); default: as `binary` says",
    )
    unit: Word = "dovecot"
    binary: PathText = BINARY
    doveconf: PathText = Field("/usr/bin/doveconf", description="tests configurations; not looked for below --root")
    configuration: PathText = "/etc/dovecot/dovecot.conf"
    include: PathText = "/etc/dovecot/conf.d/99-chainwright.conf"
    state: PathText = Field("/var/lib/chainwright-dovecot", description='state_dir, for main = "own"')

    def render_entry(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return the main file, or what your main file includes."""
        if self.main == "own":
            yield Template(path="dovecot.conf")
            return
        yield Template(path="dovecot.conf", template="include.conf.j2")
        yield self.include_file(f"!include {context.places.live}/dovecot.conf")

    def check_command(self, context: ServiceContext) -> Command:
        """Have the configuration read, with every file that it names; dovecot does not compare key and chain there.

        One harmless setting is printed in place of all of them. Without its name (-h), 2.4 refuses one that is in blocks too.
        """
        main_path = self.main_path(context.places, context.directory)
        return Command((self.doveconf, "-c", str(main_path), "-x", "base_dir"))

    @property
    def reload_proves(self) -> bool:
        """Always: the reload waits until it is seen that dovecot has taken it."""
        return True

    def reload_command(self, context: ServiceContext) -> Action | None:
        """Reload, and see that it was taken."""
        how = self.systemctl("reload")
        pid_file = str(self.pid_path(context.places))
        main_path = self.main_path(context.places, context.places.live)
        told = (self.doveconf, str(main_path), pid_file, *(how.argv if how else ()))
        return Command((sys.executable, "-P", str(RELOAD), *told), timeout=RELOAD_SECONDS)

    def sessions(self, places: Places) -> Command:
        """Return what says who is connected, and what a reload does to them."""
        return self._live("sessions", places)

    def observe_command(self, context: ServiceContext) -> Command:
        """Say where the next reload ends sessions: what dovecot runs with decides, which may not be what its files say now."""
        return self._live("observe", context.places)

    def _live(self, what: str, places: Places) -> Command:
        theirs = self.main == "include"
        # dovecot has a link to its main file in base_dir.
        main_path = places.rooted(self.configuration) if theirs else self.base(places) / self.main_file
        told = (self.doveconf, str(main_path), str(self.pid_path(places)), *(("theirs",) if theirs else ()))
        return Command((sys.executable, "-P", str(SESSIONS), what, *told))

    def running(self, context: ServiceContext) -> Path:
        """Look for the master process, with systemd too."""
        return self.pid_path(context.places)

    def start_program(self, context: ServiceContext) -> Command:
        """Start the binary."""
        return Command((self.binary, "-c", str(self.main_path(context.places, context.places.live))))

    def setting(self, what: Literal["cert", "key"], second: bool) -> str:
        """Return the name of the setting for a chain or key of the server, or of its second pair."""
        alternative = "alt_" if second else ""
        return f"ssl_server_{alternative}{what}_file" if self.version == "2.4" else f"ssl_{alternative}{what}"

    @property
    def content_of(self) -> str:
        """Mark before a path where the setting's value is the file's content."""
        return "" if self.version == "2.4" else "<"

    def base(self, places: Places) -> Path:
        """Return base_dir of an instance of our own."""
        return places.run / "dovecot"
