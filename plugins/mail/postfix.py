"""postfix as a service. It can't include files, so the module renders all of it, or your main.cf names our files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from chainwright import Command, Module, PathText, Places, ServiceContext, SystemdService, Text, Word

FILES = Path(__file__).with_name("postfix_files.py")
CHECK = Path(__file__).with_name("postfix_check.py")
RELOAD = Path(__file__).with_name("postfix_reload.py")
"""Programs that import nothing heavy: started by path, they are there at once."""
RELOAD_SECONDS = 240.0
"""More than the reload's own patience, which tells more: where it is cut off, good chains go back too."""


class Postfix(SystemdService):
    """postfix."""

    name: ClassVar[str] = "postfix"
    title: ClassVar[str] = "postfix"

    main: Literal["include", "own"] = Field(
        "include",
        description='"include": your main.cf names our files; "own": ours is the whole configuration of an instance of its own',
    )
    unit: Word = "postfix"
    programs: PathText = Field(
        "/usr/sbin", description="directory of postfix, postconf and postmap; not looked for below --root"
    )
    configuration: PathText = Field("/etc/postfix", description='directory of your main.cf, for main = "include"')
    queue: PathText | None = Field(
        None,
        description='queue_directory; default: /var/spool/postfix, for main = "own" /var/spool/chainwright-postfix',
    )
    data: PathText = Field("/var/lib/chainwright-postfix", description='data_directory, for main = "own"')
    map_type: Literal["hash", "btree", "lmdb", "cdb"] = Field(
        "hash", description="type of the map of names; one that this postfix can make (postconf -m)"
    )

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        """Refuse a second module: postfix has one default chain and one map of names."""
        names = sorted(modules)
        for name in names[1:]:
            yield name, f'the module "{names[0]}" has this postfix already; write all names into its domains'

    def render_entry(self, context: ServiceContext) -> Iterable[Text]:
        """Return a note of whose files your main.cf names: the core keeps them as long as the note is there."""
        if self.main == "include":
            places = "".join(f"{part.directory.parent}/\n" for part in context.parts)
            yield Text(path="named", text=f"# Your main.cf names files in:\n{places}")

    @property
    def checks_in_place(self) -> bool:
        """Whether your main.cf is looked at, which names what is in service."""
        return self.main == "include"

    def check_command(self, context: ServiceContext) -> Command | None:
        """Look for mistakes of syntax, and whether your main.cf names our files rightly. Nothing of postfix's looks into those.

        Where there is no module any more, your main.cf must no longer name them.
        """
        if not context.parts:
            modules = context.places.state.parent.parent / "modules"
            directory = str(context.places.rooted(self.configuration))
            return self._check(directory, "--without", f"{modules}/") if self.main == "include" else None
        generation = context.parts[0].directory
        if self.main == "own":
            return self._check(str(generation / "postfix"))
        return self._check(str(context.places.rooted(self.configuration)), *self._wanted(context))

    def included_command(self, context: ServiceContext) -> Command | None:
        """Look whether your main.cf names our files."""
        if self.main == "own" or not context.parts:
            return None
        return self._check(str(context.places.rooted(self.configuration)), "--named", *self._wanted(context))

    def reload_command(self, context: ServiceContext) -> Command | None:
        """Reload, and see that it was taken; what could not be made while postfix wasn't installed is made first."""
        return self._run(context, "reload", see_taken=True)

    def start_command(self, context: ServiceContext) -> Command | None:
        """Start."""
        return self._run(context, "start")

    def running(self, context: ServiceContext) -> Path:
        """Look for the master: Debian's unit says "active" whether it runs or not."""
        return self.pid_path(context.places)

    def pid_path(self, places: Places) -> Path:
        """Return where the master writes its process id."""
        return places.rooted(self.queue_path) / "pid/master.pid"

    @property
    def queue_path(self) -> str:
        """Where the queue is, below ``--root``."""
        return self.queue or ("/var/spool/chainwright-postfix" if self.main == "own" else "/var/spool/postfix")

    def lines(self, generation: Path) -> tuple[str, ...]:
        """Return what your main.cf must say; `generation` is the link to what is in service."""
        return (
            f"smtpd_tls_chain_files = {generation}/postfix/default.pem",
            f"tls_server_sni_maps = {self.map_type}:{generation}/postfix/sni",
        )

    def make_files(self, generation: Path, then: tuple[str, ...] = ()) -> Command:
        """Return what makes postfix's forms of the chains, where they aren't there yet, and goes on with `then`."""
        postmap = f"{self.programs}/postmap"
        argv = (sys.executable, "-P", str(FILES), postmap, self.map_type, str(generation / "postfix"), *then)
        return Command(argv, strict=not then, timeout=RELOAD_SECONDS)

    def _wanted(self, context: ServiceContext) -> tuple[str, ...]:
        return self.lines(context.parts[0].directory.parent / "live")

    def _check(self, directory: str, *wanted: str) -> Command:
        return Command((sys.executable, "-P", str(CHECK), self.programs, directory, *wanted))

    def _run(self, context: ServiceContext, verb: str, *, see_taken: bool = False) -> Command | None:
        if not context.parts:
            return None
        live = context.parts[0].directory.parent / "live"
        directory = str(live / "postfix" if self.main == "own" else context.places.rooted(self.configuration))
        by_itself = (f"{self.programs}/postfix", "-c", directory, verb)
        argv = ("systemctl", verb, self.unit) if self.manager == "systemd" else by_itself
        if see_taken:
            pid_file = str(self.pid_path(context.places))
            argv = (sys.executable, "-P", str(RELOAD), self.programs, directory, pid_file, *argv)
        return self.make_files(live, argv)
