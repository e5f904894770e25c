"""A whole appliance whose IKEv2 is served by a private charon: engine, store, wire."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from agent.system.processes import process_of
from plugins.ikev2.vici_socket import plain, session
from support.appliances.deployed import Deployed
from support.ports import free_port
from support.toml import table
from support.waiting import until

DOMAIN = "vpn.example.test"
ALICE = {"name": "alice", "password": 'correct-horse; } " battery'}
ROAD = {"name": "road", "pools": ["10.88.0.0/24"], "local_ts": ["10.77.0.0/24"]}
CARDS = {"name": "cards", "auth": "pubkey", "pools": ["10.89.0.0/24"], "local_ts": ["10.77.0.0/24"]}


@dataclass
class IKEv2Appliance(Deployed):
    """A charon that the agent starts."""

    name: ClassVar[str] = "ikev2"
    port: int = field(default_factory=free_port)
    port_nat_t: int = field(default_factory=free_port)
    domain: str = DOMAIN
    connections: Sequence[Mapping[str, object]] = (ROAD,)
    users: Sequence[Mapping[str, object]] = (ALICE,)
    branches: Sequence[Mapping[str, object]] = ()

    def configure(self, **changes: object) -> None:
        super().configure(**changes)
        self.layout.settings.chmod(0o600)

    def tables(self) -> str:
        own = {"main": "own", "manager": "commands", "start": True, "port": self.port, "port_nat_t": self.port_nat_t}
        values = {name: getattr(self, name) for name in ("domain", "connections", "users", "branches")}
        return table("services.strongswan", own | self.service) + table("modules.ikev2", values | self.module)

    # charon

    @property
    def socket(self) -> Path:
        return self.layout.run / "charon.vici"

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"charon": self.layout.run / "charon.pid"}

    @property
    def pid(self) -> int | None:
        return process_of(self.pid_files["charon"])

    @contextmanager
    def charon(self) -> Iterator[Any]:
        with session(self.socket) as found:
            yield found

    @property
    def charon_argv(self) -> list[str]:
        return ["/usr/sbin/charon-systemd"]

    def start_charon(self) -> None:
        """Start it as a unit would."""
        configuration = self.layout.service("strongswan").live / "strongswan.conf"
        self.run("charon", self.charon_argv, STRONGSWAN_CONF=str(configuration))
        until(self.answers, what="charon is up")

    def answers(self) -> bool:
        try:
            with self.charon() as charon:
                charon.version()
        except OSError:
            return False
        return True

    # What is seen

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
