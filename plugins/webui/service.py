"""The web interface's process as a service: it takes the generation that is live when it gets SIGHUP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from chainwright import Command, PathText, Places, Service, ServiceContext, Signal, Word
from plugins.webui.pid_file import PID_FILE


class WebUIService(Service):
    """Web interface."""

    name: ClassVar[str] = "webui"
    title: ClassVar[str] = "Web interface"

    manager: Literal["systemd", "commands"] = Field(
        "systemd", description="how the process is told of a new generation: by its unit, or by a signal"
    )
    unit: Word = Field("chainwright-web", description='systemd unit, for manager = "systemd"')
    pid_file: PathText | None = Field(
        None, description='default: /run/chainwright-web/webui.pid; for manager = "commands" in the agent\'s run/'
    )

    def check_with(self, context: ServiceContext) -> Command:
        """Load the candidate as the process will."""
        directories = (str(part.directory) for part in context.parts)
        return Command((sys.executable, "-P", "-m", "plugins.webui.check", *directories))

    def reload_with(self, context: ServiceContext) -> Command | Signal:
        """Send SIGHUP. As root it is left to systemd: whoever owns the pid file chooses who gets the signal."""
        if self.manager == "systemd":
            return Command(("systemctl", "reload", self.unit))
        return Signal(self.pid_path(context.places))

    def running(self, context: ServiceContext) -> Command | Path:
        """Ask systemd, or look for the process."""
        if self.manager == "systemd":
            return Command(("systemctl", "is-active", "--quiet", self.unit))
        return self.pid_path(context.places)

    def start_with(self, context: ServiceContext) -> Command | None:
        """Have systemd start it. Without systemd whoever runs ``chainwright webui`` looks after the process."""
        return Command(("systemctl", "start", self.unit)) if self.manager == "systemd" else None

    def pid_path(self, places: Places) -> Path:
        """Return where the process writes its number."""
        if self.pid_file is None and self.manager == "commands":
            return places.run / "webui.pid"
        return places.rooted(self.pid_file or PID_FILE)
