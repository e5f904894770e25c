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
    pid_file: PathText | None = Field(
        None, description='default: /run/chainwright-web/webui.pid; for manager = "commands" in the agent\'s run/'
    )

    def check_with(self, context: ServiceContext) -> Command:
        """Load the candidate as the process will."""
        directories = (str(part.directory) for part in context.parts)
        return Command((sys.executable, "-P", "-m", "plugins.webui.check", *directories))

    def pid_path(self, places: Places) -> Path:
        """Return where the process writes its number."""
        if self.pid_file is None and self.manager == "commands":
            return places.run / "webui.pid"
        return places.rooted(self.pid_file or PID_FILE)
