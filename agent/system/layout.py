"""Layout of an appliance's files under ``--root``."""

from __future__ import annotations

from pathlib import Path

from agent.system.paths import DATABASE, ETC, LOG, PRIVATE, RUN, STATE

TYPE_CHECKING = False  # an agent that waits has neither `dataclasses` nor `typing` in memory
if TYPE_CHECKING:
    from agent.system.places import Places


class Layout:
    """Paths of one appliance. `root` is `/` on the appliance, any directory for a test, a demo or a chroot."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"Layout({self.root!r})"

    def rooted(self, path: str | Path) -> Path:
        """Return the absolute path `path` below the root."""
        return self.root / Path(path).relative_to("/")

    @property
    def etc(self) -> Path:
        """The administrator's directory."""
        return self.root / ETC

    @property
    def settings(self) -> Path:
        """The main settings file."""
        return self.etc / "chainwright.toml"

    @property
    def conf_d(self) -> Path:
        """Further settings files, read in order of their names."""
        return self.etc / "conf.d"

    @property
    def templates(self) -> Path:
        """Operator's templates, one directory for each module."""
        return self.etc / "templates"

    @property
    def plugins(self) -> Path:
        """Drop-in plugins: files and packages, owned by root."""
        return self.etc / "plugins"

    @property
    def trust(self) -> Path:
        """Roots of private CAs, PEM files."""
        return self.etc / "trust"

    @property
    def state(self) -> Path:
        """Persistent state: 0711."""
        return self.root / STATE

    @property
    def private(self) -> Path:
        """Database and master key: 0700."""
        return self.root / PRIVATE

    @property
    def database(self) -> Path:
        """SQLite."""
        return self.root / DATABASE

    @property
    def master_key(self) -> Path:
        """Key that seals every other key."""
        return self.private / "master.key"

    @property
    def modules(self) -> Path:
        """One directory for each module, with its generations: 0711."""
        return self.state / "modules"

    @property
    def services(self) -> Path:
        """One directory for each shared service, with its entries: 0711."""
        return self.state / "services"

    @property
    def webroot(self) -> Path:
        """Responses to HTTP-01 challenges, readable by every web server."""
        return self.state / "http-01"

    @property
    def run(self) -> Path:
        """Sockets and pid files; emptied at boot."""
        return self.root / RUN

    @property
    def lock(self) -> Path:
        """Held while planning, storing and deploying."""
        return self.private / "lock"

    @property
    def daemon_lock(self) -> Path:
        """Held by the agent's process while it runs."""
        return self.private / "daemon.lock"

    @property
    def delivery_lock(self) -> Path:
        """Held by the process that tells observers and notifiers of events."""
        return self.private / "delivery.lock"

    @property
    def delivering(self) -> Path:
        """Which of them that process tells of what at this moment."""
        return self.private / "delivering"

    @property
    def poke(self) -> Path:
        """Datagram socket: any datagram starts a pass of the agent."""
        return self.run / "poke.sock"

    @property
    def api(self) -> Path:
        """Stream socket of the local API."""
        return self.run / "api.sock"

    @property
    def log(self) -> Path:
        """Logs of private service instances."""
        return self.root / LOG

    def module(self, name: str) -> Places:
        """Return the places of one module."""
        from agent.system.places import Places

        return Places(root=self.root, state=self.modules / name, run=self.run, log=self.log)

    def service(self, name: str) -> Places:
        """Return the places of one shared service."""
        from agent.system.places import Places

        return Places(root=self.root, state=self.services / name, run=self.run, log=self.log)
