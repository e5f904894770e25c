"""`SystemdService` and `IncludedService`: daemons with a systemd unit, a pid file and a main file."""

from __future__ import annotations

import re
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from agent.contract.context import ServiceContext
from agent.contract.fields import PathText, Word
from agent.contract.file import Text
from agent.contract.service import Service
from agent.system.command import Action, Command, Signal
from agent.system.inclusion import includes
from agent.system.places import Places


class SystemdService(Service):
    """A daemon that systemd reloads and starts, or that is reloaded by a signal and started by its own program.

    A subclass has `pid_path` and, where the daemon can be started without systemd, `start_program`.
    """

    reload_signal: ClassVar[str] = "HUP"

    manager: Literal["systemd", "commands"] = Field(
        "systemd", description='"systemd": reloaded and started by its unit; "commands": by a signal and its program'
    )
    unit: Word | None = Field(None, description='systemd unit, for manager = "systemd"; default: the service\'s name')

    @abstractmethod
    def pid_path(self, places: Places) -> Path:
        """Return the file with the daemon's process id."""

    def start_program(self, context: ServiceContext) -> Command | None:
        """Return what starts the daemon without systemd. None: the agent can't."""
        return None

    def reload_command(self, context: ServiceContext) -> Action | None:
        """Reload the unit, or send `reload_signal`."""
        return self.systemctl("reload") or Signal(self.pid_path(context.places), name=self.reload_signal)

    def running(self, context: ServiceContext) -> Command | Path:
        """Ask systemd, or look for the process."""
        return self.systemctl("is-active", "--quiet") or self.pid_path(context.places)

    def start_command(self, context: ServiceContext) -> Command | None:
        """Start the unit, or the program."""
        return self.systemctl("start") or self.start_program(context)

    @property
    def restart_advice(self) -> str:
        """Name the unit, where systemd has one."""
        if self.manager != "systemd":
            return super().restart_advice
        return f"systemctl status {self.unit_name}, then systemctl start {self.unit_name}"

    @property
    def _has_start(self) -> bool:
        own, shared = type(self), SystemdService
        by_program = own.start_program is not shared.start_program or own.start_command is not shared.start_command
        return self.manager == "systemd" or by_program

    def systemctl(self, *verb: str) -> Command | None:
        """Return ``systemctl VERB UNIT``; None for ``manager = "commands"``."""
        return Command(("systemctl", *verb, self.unit_name)) if self.manager == "systemd" else None

    @property
    def unit_name(self) -> str:
        """Name of the unit."""
        return self.unit or self.name


class IncludedService(SystemdService):
    """A daemon whose main file is the administrator's and includes ours, or is the agent's own.

    With ``main = "include"`` the entry has a file that is copied to `include`, which the administrator's main file includes.
    With ``main = "own"`` the entry has the main file of an instance of the agent's own.
    """

    main_file: ClassVar[str]
    """Name of the main file in the entry."""
    usual_pid_file: ClassVar[str]
    """Where the administrator's instance writes its process id."""
    own_pid_file: ClassVar[str]
    """Where an instance of the agent's own does, in the agent's run/."""

    include_directive: ClassVar[re.Pattern[str] | None] = None
    """What includes a file, in one line of a main file, with a group for the path; None: it is not looked for."""
    relative_to_main: ClassVar[bool] = False
    """Whether relative paths there are below the main file's directory, not below that of the file that names them."""
    line_to_add: ClassVar[str] = ""
    """What to add to the main file, after "add "; ``{}`` is the path."""

    main: Literal["include", "own"] = Field(
        "include",
        description='"include": your main file includes ours; "own": ours is the main file of an instance of its own',
    )
    binary: PathText | None = Field(None, description="the program; not looked for below --root")
    configuration: PathText = Field(description='your main file, for main = "include"')
    include: PathText = Field(description='what your main file includes, for main = "include"')
    pid_file: PathText | None = Field(
        None, description='default: `usual_pid_file`; for main = "own" `own_pid_file`, in the agent\'s run/'
    )

    @property
    def checks_in_place(self) -> bool:
        """Whether the candidate can be tested only where the administrator's main file names it."""
        return self.main == "include"

    def main_path(self, places: Places, entry: Path) -> Path:
        """Return the main file: the administrator's, or the one in `entry`."""
        return entry / self.main_file if self.main == "own" else places.rooted(self.configuration)

    def pid_path(self, places: Places) -> Path:
        """Return the file with the daemon's process id."""
        if self.pid_file is None and self.main == "own":
            return places.run / self.own_pid_file
        return places.rooted(self.pid_file or self.usual_pid_file)

    def why_unseen(self, places: Places) -> str:
        """Look whether the administrator's main file includes ours, by its text."""
        main_file, included = places.rooted(self.configuration), places.rooted(self.include)
        if self.main == "own" or self.include_directive is None:
            return ""
        base = main_file.parent if self.relative_to_main else None
        with suppress(OSError):
            if not includes(main_file, included, self.include_directive, base):
                return f"{main_file} does not include {included}; add {self.line_to_add.format(included)}"
        return ""

    def include_file(self, directive: str) -> Text:
        """Return the file at `include`, which holds one directive."""
        text = f"# Made by Chainwright; changes here are lost.\n{directive}\n"
        return Text(path="include.conf", text=text, publish=Path(self.include), how="copy")
