"""A strongSwan of a test's own: charon on loopback, on high ports, without a kernel's ESP."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.cas.certificates import Party, key_pem, pem
from support.ports import free_port
from support.waiting import until

CHARON = "/usr/sbin/charon-systemd"
SWANCTL = "/usr/sbin/swanctl"
UNWANTED = ("stroke", "dhcp", "farp", "ha", "unity", "bypass-lan", "resolve", "kernel-libipsec")
"""Plugins that are not needed here, or that look at this machine's network."""


def section(values: Mapping[str, object], indent: str = "") -> str:
    """Write settings as strongSwan reads them."""
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{name} {{\n{section(value, indent + '  ')}{indent}}}\n")
        else:
            lines.append(f"{indent}{name} = {value}\n")
    return "".join(lines)


@dataclass
class Charon:
    """Its files are in `directory`; `load` what you wrote there."""

    directory: Path
    port: int
    port_nat_t: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls, **settings: object) -> Iterator[Self]:
        """Give one that answers. `settings` are of its ``charon`` section."""
        directory = Path(tempfile.mkdtemp(prefix="cw-"))  # a short name, as UNIX sockets need it
        charon = cls(directory, free_port(), free_port())
        try:
            charon.start(**settings)
            yield charon
        finally:
            charon.stop()
            shutil.rmtree(directory)

    @property
    def socket(self) -> Path:
        return self.directory / "vici"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def start(self, **settings: object) -> None:
        plugins: dict[str, object] = {name: {"load": "no"} for name in UNWANTED}
        plugins["vici"] = {"socket": f"unix://{self.socket}"}
        logged = {"main": {"path": self.directory / "log", "flush_line": "yes", "default": 1, "cfg": 2}}
        own = {"port": self.port, "port_nat_t": self.port_nat_t, "filelog": logged, "plugins": plugins}
        text = section({"charon": own | settings, "swanctl": {"socket": f"unix://{self.socket}"}})
        (self.directory / "strongswan.conf").write_text(text + "charon-systemd : charon {\n}\n")
        for name in ("x509", "x509ca", "private", "conf.d"):
            (self.directory / "swanctl" / name).mkdir(parents=True, exist_ok=True)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([CHARON], env=self._environment, **quiet)
        until(self.socket.is_socket, what="charon is up")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)

    def serve(self, leaf: Party, *authorities: Party, connections: Mapping[str, object], **also: object) -> None:
        """Serve a chain, by the connections of a ``swanctl.conf``. `also`: further sections of it."""
        self.place(leaf, *authorities)
        self.configure(connections=connections, **also)
        self.load()

    def place(self, leaf: Party, *authorities: Party) -> None:
        """Lay out a chain as swanctl wants it: one certificate in each file."""
        home = self.directory / "swanctl"
        (home / "x509" / "gw.pem").write_bytes(pem(leaf.certificate))
        key = home / "private" / "gw.pem"
        key.touch(mode=0o600)
        key.write_bytes(key_pem(leaf.key))
        for index, authority in enumerate(authorities):
            (home / "x509ca" / f"{index}.pem").write_bytes(pem(authority.certificate))

    def configure(self, **sections: object) -> None:
        (self.directory / "swanctl" / "swanctl.conf").write_text(section(sections))

    def load(self) -> None:
        """Give charon all of it."""
        self.ctl("--load-all", "--clear", "--noprompt")

    def ctl(self, *arguments: str) -> str:
        """Run swanctl, return what it says."""
        command = [SWANCTL, *arguments]
        said = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    @property
    def _environment(self) -> dict[str, str]:
        here = {"STRONGSWAN_CONF": str(self.directory / "strongswan.conf")}
        return {**os.environ, **here, "SWANCTL_DIR": str(self.directory / "swanctl")}
