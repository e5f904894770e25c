"""nginx as a service: the reverse proxy, the login page and every other module that speaks HTTP share it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from chainwright import Command, Module, PathText, Places, Service, ServiceContext, Signal, Template, Text, Word
from plugins.nginx.claims import contradictions
from plugins.nginx.generation import generation_socket


class Nginx(Service):
    """nginx."""

    name: ClassVar[str] = "nginx"
    title: ClassVar[str] = "nginx"

    main: Literal["include", "own"] = Field(
        "include",
        description='"include": nginx\'s own main file includes ours; "own": ours is the main file of an nginx of its own',
    )
    manager: Literal["systemd", "commands"] = Field(
        "systemd", description="how nginx is reloaded and started: by its unit, or by a signal and its binary"
    )
    unit: Word = Field("nginx", description='systemd unit, for manager = "systemd"')
    binary: PathText = Field("/usr/sbin/nginx", description="the program; not looked for below --root")
    configuration: PathText = Field("/etc/nginx/nginx.conf", description='nginx\'s main file, for main = "include"')
    include: PathText = Field(
        "/etc/nginx/conf.d/chainwright.conf",
        description='what the main file includes in http { }, for main = "include"',
    )
    pid_file: PathText | None = Field(
        None, description='default: /run/nginx.pid; for main = "own" in the agent\'s run/'
    )
    hash_sizes: bool = Field(True, description="false where your main file sets server_names_hash_* itself")
    user: Word | None = Field(
        None, description='of the workers, for main = "own" as root; default: nginx\'s own default'
    )
    worker_processes: PositiveInt | Literal["auto"] = Field("auto", description='for main = "own"')
    worker_connections: PositiveInt = Field(1024, description='connections a worker, for main = "own"')
    temporary: PathText | None = Field(
        None, description='parent of temporary files, for main = "own"; default: the agent\'s run/, which is memory'
    )
    worker_shutdown_timeout: PositiveInt = Field(
        3600, description='seconds that connections may outlive a reload, for main = "own"'
    )

    def render(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return what the modules share, and the main file or the line that the administrator's main file includes."""
        sockets = {part.module: generation_socket(context.places, part.module) for part in context.parts}
        yield Template(path="http.conf", values={"sockets": sockets})
        if self.main == "own":
            yield Template(path="nginx.conf")
        else:
            yield Text(
                path="include.conf",
                text=f'# Made by Chainwright; changes here are lost.\ninclude "{context.places.live}/http.conf";\n',
                publish=Path(self.include),
                how="copy",
            )

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        """Find what nginx would only warn of: two modules that both answer to a name, or TLS and plain HTTP on one port."""
        return contradictions(modules)

    @property
    def checks_in_place(self) -> bool:
        """Whether only the configuration in service can be tested, as the administrator's main file names it."""
        return self.main == "include"

    def check_with(self, context: ServiceContext) -> Command:
        """Test the candidate; it finds wrong keys and garbage, but no missing intermediate."""
        return Command(
            (self.binary, "-e", "stderr", "-t", "-c", str(self._main_file(context.places, context.directory)))
        )

    def reload_with(self, context: ServiceContext) -> Command | Signal:
        """Reload. The bare signal doesn't parse everything a third time, as ``nginx -s reload`` would after our test."""
        if self.manager == "systemd":
            return Command(("systemctl", "reload", self.unit))
        return Signal(self.pid_path(context.places))

    def running(self, context: ServiceContext) -> Command | Path:
        """Ask systemd, or look for the master."""
        if self.manager == "systemd":
            return Command(("systemctl", "is-active", "--quiet", self.unit))
        return self.pid_path(context.places)

    def start_with(self, context: ServiceContext) -> Command:
        """Start, after the sockets have been removed that a killed nginx left (`plugins.nginx.start_nginx`)."""
        # -P: without it Python looks for modules in the current directory first, which may be anybody's.
        found = (generation_socket(context.places, part.module) for part in context.parts)
        sockets = tuple(str(path) for path in found if path)
        return Command((sys.executable, "-P", "-m", "plugins.nginx.start_nginx", *sockets, "--", *self._start(context)))

    def pid_path(self, places: Places) -> Path:
        """Return where the master's number stands."""
        if self.pid_file is None and self.main == "own":
            return places.run / "nginx.pid"
        return places.rooted(self.pid_file or "/run/nginx.pid")

    def temporary_path(self, places: Places) -> Path:
        """Return where bodies are kept that are too large for a worker's memory; its user must get there."""
        return places.rooted(self.temporary) if self.temporary else places.run

    def _start(self, context: ServiceContext) -> tuple[str, ...]:
        if self.manager == "systemd":
            return ("systemctl", "start", self.unit)
        # Our main file names a log; before it is read, a private nginx may not open the one that was compiled in.
        log = ("-e", "stderr") if self.main == "own" else ()
        return (self.binary, *log, "-c", str(self._main_file(context.places, context.places.live)))

    def _main_file(self, places: Places, entry: Path) -> Path:
        return entry / "nginx.conf" if self.main == "own" else places.rooted(self.configuration)
