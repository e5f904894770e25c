"""Process of the web interface as a service: it takes the generation that is live when it gets SIGHUP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chainwright import Command, PathText, Places, ServiceContext, SystemdService, Word
from plugins.webui.pid_file import PID_FILE


class WebUIService(SystemdService):
    """Web interface."""

    name: ClassVar[str] = "webui"
    title: ClassVar[str] = "Web interface"

    unit: Word = "chainwright-web"
    pid_file: PathText = Field(PID_FILE, description="where the process writes its number")

    def check_command(self, context: ServiceContext) -> Command:
        """Load the candidate as the process will."""
        directories = (str(part.directory) for part in context.parts)
        return Command((sys.executable, "-P", "-m", "plugins.webui.check", *directories))

    def pid_path(self, places: Places) -> Path:
        """Return where the process writes its number."""
        return places.rooted(self.pid_file)

    def start_program(self, context: ServiceContext) -> Command | None:
        """Start the process as the user who may read its files (`plugins.webui.start_process`)."""
        if not context.parts:
            return None
        places = context.places
        live, log = context.parts[0].directory.parent / "live", places.log / "webui.log"
        arguments = (str(each) for each in (places.root, live, self.pid_path(places), log))
        return Command((sys.executable, "-P", "-m", "plugins.webui.start_process", *arguments))
