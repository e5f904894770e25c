"""A whole appliance whose reverse proxy is served by a private nginx: engine, store, wire."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from agent.model.deployment import Outcome, Refusal
from agent.system.command import process_of
from support.appliances.deployed import Deployed, until
from support.ports import free_port

NGINX = "/usr/sbin/nginx"
SITES = ("a.example.test", "b.example.test", "c.example.test")
OWN = {"main": "own", "manager": "commands", "worker_processes": 1}
"""Settings of the service where nginx is the agent's own."""
INCLUDED = {"main": "include", "manager": "commands"}
"""Settings of the service where the administrator's main file includes ours."""

MAIN_FILE = """# The administrator's.
daemon on;
worker_processes 1;
pid {root}/run/nginx.pid;
error_log {root}/error.log;
events {{ }}
http {{
    access_log off;
    {temporary}
    include {root}/etc/nginx/conf.d/*.conf;
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")


def toml(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(toml(each) for each in value)}]"


def table(name: str, values: dict[str, object]) -> str:
    """Return a table as TOML."""
    return "\n".join([f"[{name}]", *(f"{key} = {toml(value)}" for key, value in values.items()), ""])


@dataclass
class Proxied(Deployed):
    """Its settings are fields: change them, then `configure`."""

    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    upstream: str = "http://127.0.0.1:9"
    sites: Sequence[str] = SITES
    upstreams: dict[str, str] = field(default_factory=dict)
    """Site -> upstream, where it isn't `upstream`."""
    module: dict[str, object] = field(default_factory=dict)
    service: dict[str, object] = field(default_factory=lambda: dict(OWN))
    top: str = ""
    """Further keys outside of all tables."""
    more: str = ""
    """Further tables."""

    @classmethod
    @contextmanager
    def make(cls, **options) -> Iterator[Self]:
        """Give an appliance in a directory with a short name, as UNIX sockets need it, that nginx's workers can reach."""
        root = Path(tempfile.mkdtemp(prefix="cw-"))
        root.chmod(0o755)
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
        where = {"listen": f"127.0.0.1:{self.port}", "listen_http": f"127.0.0.1:{self.http_port}"}
        text = f'hostname = "gw"\naddresses = ["127.0.0.1"]\n{self.top}\n[probe]\ntimeout = 3\n'
        text += table("services.nginx", self.service) + table("modules.reverse_proxy", {**where, **self.module})
        for site in self.sites:
            upstream = self.upstreams.get(site, self.upstream)
            text += table("[modules.reverse_proxy.sites]", {"domains": [site], "upstream": upstream})
        self.settings(text + self.more)

    def override(self, name: str, text: str) -> Path:
        """Write a template of the operator's."""
        path = self.layout.templates / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def write_main_file(self) -> Path:
        """Write the administrator's own nginx.conf, which includes conf.d."""
        path = self.layout.rooted("/etc/nginx/nginx.conf")
        (path.parent / "conf.d").mkdir(parents=True, exist_ok=True)
        temporary = " ".join(f"{kind}_temp_path {self.root}/{kind};" for kind in TEMPORARY)
        path.write_text(MAIN_FILE.format(root=self.root, temporary=temporary))
        return path

    # nginx

    @property
    def own(self) -> bool:
        return self.service["main"] == "own"

    @property
    def pid_file(self) -> Path:
        return self.layout.run / "nginx.pid" if self.own else self.layout.rooted("/run/nginx.pid")

    @property
    def main_file(self) -> Path:
        return self.layout.service("nginx").live / "nginx.conf" if self.own else self.root / "etc/nginx/nginx.conf"

    @property
    def master(self) -> int | None:
        return process_of(self.pid_file)

    def processes_of_nginx(self) -> list[int]:
        """Return the master and its workers, old ones too."""
        pid = self.master
        if pid is None:
            return []
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def start_nginx(self) -> None:
        """Start it as an administrator would."""
        for socket_file in self.layout.run.glob("*-generation.sock"):
            socket_file.unlink()
        subprocess.run([NGINX, "-e", "stderr", "-c", str(self.main_file)], check=True, timeout=30)
        until(lambda: self.master, what="nginx is up")

    def kill_nginx(self) -> None:
        """End all of it as the OOM killer does."""
        pids = self.processes_of_nginx()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in pids), what="nginx is dead")

    def end(self) -> None:
        """End everything that was started here, whatever state it is in."""
        for pid in self.processes_of_nginx():
            os.kill(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGCONT)
        until(lambda: not self.processes_of_nginx() or not alive(self.master), what="nginx has ended")
        self.pid_file.unlink(missing_ok=True)
        self.close()

    def bring_up(self) -> None:
        """Apply, start nginx by hand, and have it looked at."""
        self.apply()
        self.start_nginx()
        self.apply()
        assert self.deployment("reverse_proxy").outcome is Outcome.LIVE
        self.runner.ran.clear()

    def renew(self) -> None:
        """Make the chains of all sites due."""
        self.clock.advance(days=61)

    # What is known and what is seen

    def chains(self, module: str = "reverse_proxy") -> dict[str, str]:
        """Return the chain that each slot is bound to."""
        with self.store() as store:
            return {each.slot: each.chain for each in store.modules.bindings() if each.module == module}

    def refusals(self) -> list[Refusal]:
        with self.store() as store:
            return store.deployments.refusals()

    def seen(self, name: str) -> tuple[str, str]:
        """Return the leaf's SHA-256 and what openssl says of the chain, with nothing trusted but the appliance's root."""
        root = self.root / "root.pem"
        with self.store() as store:
            root.write_text(store.roots.present().certificates)
        argv = [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{self.port}",
            "-servername",
            name,
            "-verify_hostname",
            name,
        ]
        argv += ["-CAfile", str(root), "-no-CApath", "-no-CAstore", "-attime", str(int(self.clock().timestamp()))]
        shown = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        text = shown.stdout.decode(errors="replace")
        found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)
        verdict = re.search(r"Verify return code: (.*)", text)
        return (sha256(found[0]) if found else "", verdict[1] if verdict else "")

    def assert_served(self, *names: str) -> None:
        """Each of these sites is served with the chain that it is bound to, and clients of the root trust it."""
        bound = self.chains()
        assert {name: self.seen(name) for name in names} == {name: (bound[name], "0 (ok)") for name in names}

    def connect(self, name: str) -> ssl.SSLSocket:
        """Make a connection to a site."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        try:
            return context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise


def sha256(pem: str) -> str:
    import hashlib

    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def alive(pid: int | None) -> bool:
    """Whether a process lives; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
