"""SSTP server as a service: accel-ppp, which is reloaded, or sstp-server, which is restarted."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from chainwright import (
    Action,
    Command,
    IncludedService,
    ListenAddress,
    Module,
    PathText,
    Places,
    ServiceContext,
    Template,
    Text,
)
from plugins.sstp.sessions import Room

HERE = Path(__file__).parent
CHECK_ACCEL_PPP = HERE / "check_accel_ppp.py"
RUN_SSTPD = HERE / "run_sstpd.py"
SESSIONS = HERE / "sessions.py"
"""Programs that import nothing of ours: started by path, they are there at once."""


class SSTPService(IncludedService):
    """SSTP server."""

    name: ClassVar[str] = "sstp"
    title: ClassVar[str] = "SSTP server"
    main_file: ClassVar[str] = "accel-ppp.conf"
    usual_pid_file: ClassVar[str] = "/run/accel-pppd.pid"
    own_pid_file: ClassVar[str] = "accel-pppd.pid"
    reload_signal: ClassVar[str] = "USR1"

    server: Literal["accel-ppp", "sstp-server"] = Field("accel-ppp", description="which daemon serves SSTP")
    configuration: PathText = "/etc/accel-ppp.conf"
    include: PathText = "/etc/accel-ppp.d/chainwright.conf"
    cli: ListenAddress = Field(
        "127.0.0.1:2001",
        validate_default=True,
        description='where accel-cmd reaches accel-ppp, for main = "own"',
    )
    secrets: PathText = Field(
        "/etc/ppp/chap-secrets", description='users and their passwords, for an accel-ppp with main = "own"'
    )
    pppd: PathText = Field(
        "/usr/sbin/pppd", description="what sstp-server starts for each session; not looked for below --root"
    )
    pppd_options: PathText = Field(
        "/etc/ppp/options.sstpd", description="options of that pppd, where it is said who may log in"
    )

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        """Refuse a second module: both daemons have one chain."""
        names = sorted(modules)
        for name in names[1:]:
            yield name, f'the module "{names[0]}" has this SSTP server already, and it has one chain only'

    @property
    def restarts(self) -> bool:
        """Whether it has no reload: sstp-server reads its files at its start only."""
        return self.server == "sstp-server"

    @property
    def disruptive(self) -> bool:
        """A restart ends every session; a reload of accel-ppp ends none."""
        return self.restarts

    @property
    def reload_proves(self) -> bool:
        """A restart reads everything; accel-ppp has nothing that tells what it has read."""
        return self.restarts

    @property
    def checks_in_place(self) -> bool:
        """Whether only the configuration in service can be tested, as your main file names it."""
        return not self.restarts and super().checks_in_place

    def render_entry(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return accel-ppp's main file, or what yours includes; sstp-server can't include anything."""
        if self.restarts:
            return
        yield Template(path="included.conf")
        if self.main == "own":
            yield Template(path="accel-ppp.conf")
            return
        yield self.include_file(f"$include {context.places.live}/included.conf")

    def check_command(self, context: ServiceContext) -> Command | None:
        """Read the configuration as the daemon would: neither has a test of its own."""
        if self.restarts:
            return self._sstpd("check", context, self._generation(context))
        return self._check(context)

    def included_command(self, context: ServiceContext) -> Command | None:
        """Look whether your main file includes ours."""
        if not self.checks_in_place or not context.parts:
            return None
        return self._check(context, f"$include {context.places.rooted(self.include)}")

    def reload_command(self, context: ServiceContext) -> Action | None:
        """Reload accel-ppp, which looks once a second whether it was told to; restart sstp-server."""
        if not self.restarts:
            return super().reload_command(context)
        if not context.parts:
            return None  # without a configuration it would not come up again
        restart = self._sstpd("restart", context, self._live(context))
        return self.systemctl("restart") or (restart and replace(restart, stays=True))

    def start_command(self, context: ServiceContext) -> Command | None:
        """Start it where there is something to serve."""
        return super().start_command(context) if context.parts or not self.restarts else None

    def start_program(self, context: ServiceContext) -> Command | None:
        """Start the daemon's program."""
        if self.restarts:
            return self._sstpd("start", context, self._live(context))
        main_path = self.main_path(context.places, context.places.live)
        return Command((self.program, "-d", "-p", str(self.pid_path(context.places)), "-c", str(main_path)))

    def sessions(self, places: Places) -> Command | None:
        """Return what says who is connected, where a reload ends sessions."""
        return self._own_program(SESSIONS, *self._process(places)) if self.restarts else None

    def room(self, places: Places, most: int) -> Room | None:
        """Return how it is seen that all `most` addresses are taken: sstp-server breaks off calls then."""
        return Room(*self._process(places), most) if self.restarts else None

    def _process(self, places: Places) -> tuple[str, str]:
        """Return where the daemon's process is found."""
        return ("unit", self.unit_name) if self.manager == "systemd" else ("pid", str(self.pid_path(places)))

    @property
    def program(self) -> str:
        """The daemon."""
        return self.binary or ("/usr/local/bin/sstpd" if self.restarts else "/usr/sbin/accel-pppd")

    @property
    def unit_name(self) -> str:
        """The unit that runs it."""
        return self.unit or self.server

    def pid_path(self, places: Places) -> Path:
        """Return where the daemon writes its process id, or for sstp-server the program that starts it."""
        if self.restarts and self.pid_file is None:
            return places.run / "sstpd.pid"
        return super().pid_path(places)

    def _check(self, context: ServiceContext, *line: str) -> Command:
        main_path = self.main_path(context.places, context.directory)
        entry = context.directory if self.main == "own" else context.places.live
        return self._own_program(CHECK_ACCEL_PPP, self.program, str(main_path), f"{entry}/included.conf", *line)

    def _sstpd(self, verb: str, context: ServiceContext, generation: Path | None) -> Command | None:
        """Return what tests, starts or restarts sstp-server with the files of a generation."""
        if generation is None:
            return None
        pid_file, log = self.pid_path(context.places), context.places.log / "sstpd.log"
        return self._own_program(RUN_SSTPD, verb, self.program, f"{generation}/sstpd.conf", str(pid_file), str(log))

    def _generation(self, context: ServiceContext) -> Path | None:
        return context.parts[0].directory if context.parts else None

    def _live(self, context: ServiceContext) -> Path | None:
        generation = self._generation(context)
        return generation.parent / "live" if generation else None

    @staticmethod
    def _own_program(path: Path, *arguments: str) -> Command:
        return Command((sys.executable, "-I", str(path), *arguments))
