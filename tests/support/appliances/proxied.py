"""A whole appliance whose reverse proxy is served by a private nginx: engine, store, wire."""

import hashlib
import re
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from agent.system.processes import process_of
from support.appliances.deployed import Deployed, connect, run_quietly
from support.ports import free_port
from support.toml import table
from support.waiting import until

NGINX = "/usr/sbin/nginx"
SITES = ("a.example.test", "b.example.test", "c.example.test")
OWN = {"main": "own", "manager": "commands", "worker_processes": 1}
"""Settings of the service where nginx is the agent's own."""
INCLUDED = {"main": "include", "manager": "commands"}
"""Settings of the service where the administrator's main file includes ours."""
LOOKED_UP_BY_NGINX = """{% include "default:site.conf.j2" %}
{% if server.site.upstream.host.endswith(".invalid") %}
upstream theirs { server {{ server.site.upstream.host }}; }
{% endif %}
"""
"""A template of an operator's in which nginx looks up an upstream itself, where its name ends so: it is refused."""

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


@dataclass
class Proxied(Deployed):
    """One nginx of the agent's own, or with a main file of the administrator's."""

    name: ClassVar[str] = "reverse_proxy"
    probe_timeout: int = 3
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    upstream: str = "http://127.0.0.1:9"
    sites: Sequence[str] = SITES
    upstreams: dict[str, str] = field(default_factory=dict)
    """Site -> upstream, where it isn't `upstream`."""
    service: dict[str, Any] = field(default_factory=lambda: dict(OWN))

    def tables(self) -> str:
        where = {"listen": f"127.0.0.1:{self.port}", "listen_http": f"127.0.0.1:{self.http_port}"}
        text = table("services.nginx", self.service) + table("modules.reverse_proxy", {**where, **self.module})
        for site in self.sites:
            upstream = self.upstreams.get(site, self.upstream)
            text += table("[modules.reverse_proxy.sites]", {"domains": [site], "upstream": upstream})
        return text

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

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"nginx": self.pid_file}

    def start_service(self) -> None:
        for socket_file in self.layout.run.glob("*-generation.sock"):
            socket_file.unlink()
        run_quietly(NGINX, "-e", "stderr", "-c", self.main_file)
        until(lambda: self.master, what="nginx is up")

    # What is seen

    def seen(self, name: str) -> tuple[str, str]:
        """Return the leaf's SHA-256 and what openssl says of the chain, with nothing trusted but the appliance's root."""
        root = self.root / "root.pem"
        with self.store() as store:
            root.write_text(store.roots.present().certificates)
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}"]
        argv += ["-servername", name, "-verify_hostname", name]
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
        return connect(self.port, name)


def sha256(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
