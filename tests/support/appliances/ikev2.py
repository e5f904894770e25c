"""A whole appliance whose IKEv2 is served by a private charon: engine, store, wire."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from agent.model.deployment import Outcome
from agent.system.command import process_of
from plugins.ikev2.vici_socket import plain, session
from support.appliances.deployed import Deployed, until
from support.appliances.proxied import alive
from support.ports import free_port

DOMAIN = "vpn.example.test"
ALICE = {"name": "alice", "password": 'correct-horse; } " battery'}
ROAD = {"name": "road", "pools": ["10.88.0.0/24"], "local_ts": ["10.77.0.0/24"]}
CARDS = {"name": "cards", "auth": "pubkey", "pools": ["10.89.0.0/24"], "local_ts": ["10.77.0.0/24"]}


def toml(value: object) -> str:
    """Write a value as TOML does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass
class IKEv2Appliance(Deployed):
    """Its settings are fields: change them, then `configure`."""

    port: int = field(default_factory=free_port)
    port_nat_t: int = field(default_factory=free_port)
    domain: str = DOMAIN
    connections: Sequence[Mapping[str, object]] = (ROAD,)
    users: Sequence[Mapping[str, object]] = (ALICE,)
    branches: Sequence[Mapping[str, object]] = ()
    module: dict[str, object] = field(default_factory=dict)
    service: dict[str, object] = field(default_factory=dict)
    more: str = ""

    @classmethod
    @contextmanager
    def make(cls, **options) -> Iterator[Self]:
        """Give an appliance in a directory with a short name, as UNIX sockets need it."""
        root = Path(tempfile.mkdtemp(prefix="cw-"))
        appliance = cls(root, **options)
        try:
            yield appliance
        finally:
            appliance.end()
            shutil.rmtree(root)

    def configure(self, **changes: object) -> None:
        """Write the settings."""
        for name, value in changes.items():
            setattr(self, name, value)
        own = {"main": "own", "manager": "commands", "start": True, "port": self.port, "port_nat_t": self.port_nat_t}
        values = {
            "domain": self.domain,
            "connections": self.connections,
            "users": self.users,
            "branches": self.branches,
        }
        text = 'hostname = "gw"\naddresses = ["127.0.0.1"]\n[probe]\ntimeout = 5\n'
        for table, settings in (("services.strongswan", own | self.service), ("modules.ikev2", values | self.module)):
            text += f"[{table}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in settings.items())
        self.settings(text + self.more)
        self.layout.settings.chmod(0o600)

    # charon

    @property
    def socket(self) -> Path:
        return self.layout.run / "charon.vici"

    @property
    def pid(self) -> int | None:
        return process_of(self.layout.run / "charon.pid")

    @contextmanager
    def charon(self) -> Iterator[Any]:
        with session(self.socket) as found:
            yield found

    def start_charon(self) -> None:
        """Start it as a unit would."""
        argv = ["/usr/sbin/charon-systemd"]
        environment = {**os.environ, "STRONGSWAN_CONF": str(self.layout.service("strongswan").live / "strongswan.conf")}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes["charon"] = subprocess.Popen(argv, env=environment, **quiet)
        until(self.answers, what="charon is up")

    def answers(self) -> bool:
        try:
            with self.charon() as charon:
                charon.version()
        except OSError:
            return False
        return True

    def stop_charon(self) -> None:
        """End it."""
        if "charon" in self.processes:
            process = self.processes.pop("charon")
            process.terminate()
            process.wait(20)
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGTERM)
            until(lambda: not alive(pid), what="charon has ended")
        (self.layout.run / "charon.pid").unlink(missing_ok=True)

    def end(self) -> None:
        self.stop_charon()
        self.close()

    def bring_up(self) -> None:
        """Apply: the agent starts charon."""
        self.configure()
        self.apply()
        self.apply()
        self.assert_live()
        self.runner.ran.clear()

    def assert_live(self) -> None:
        deployment = self.deployment("ikev2")
        assert deployment.outcome is Outcome.LIVE, deployment.problem

    # What is known and what is seen

    def chains(self) -> dict[str, str]:
        """Return the chain that each slot is bound to."""
        with self.store() as store:
            return {each.slot: each.chain for each in store.modules.bindings()}

    def leaves_with_keys(self) -> set[str]:
        """Return the SHA-256 of the leaves that charon has keys for."""
        with self.charon() as charon:
            found = list(charon.list_certs({"type": "X509"}))
        return {hashlib.sha256(each["data"]).hexdigest() for each in found if plain(each.get("has_privkey")) == "yes"}

    def loaded(self) -> dict[str, list[str]]:
        """Return what charon has, by kind."""
        with self.charon() as charon:
            return {
                "connections": plain(sorted(charon.get_conns()["conns"])),
                "pools": sorted(plain(charon.get_pools())),
                "secrets": plain(sorted(charon.get_shared()["keys"])),
                "keys": plain(sorted(charon.get_keys()["keys"])),
            }
