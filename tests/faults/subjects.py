"""One class a module that has a real service: a module joins the tests of faults by such a class and its row in SUBJECTS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from agent.contract.endpoint import StartTLS
from agent.system.layout import Layout
from agent.system.processes import process_of
from chainwright import Endpoint, Expected, ProbeFailed
from plugins.ikev2.probe import IkeProbe
from support.appliances.deployed import run_quietly, served
from support.appliances.mailed import DOVECOT, LISTENERS, OWN
from support.appliances.proxied import NGINX
from support.appliances.sstp import SSTPD, find_sstpd, write_pppd
from support.paths import CHECKOUT
from support.ports import free_port
from support.processes import prepared
from support.processes.tree import kill_all
from support.servers.charon import CHARON
from support.toml import table
from support.waiting import until

NOWHERE = "/nowhere"


@dataclass(frozen=True)
class Listener:
    """One endpoint, as a client sees it."""

    slot: str
    port: int
    name: str = ""
    starttls: StartTLS | None = None


class Subject(ABC):
    """A module whose service is run here as an administrator would, without systemd."""

    name: ClassVar[str]
    slot: ClassVar[str] = "default"
    """The one whose files are damaged."""
    part: ClassVar[str]
    """Pattern of the files of that slot in a generation."""
    template: ClassVar[tuple[str, str, str]]
    """A template that an operator may override, a text that the service refuses, and what it says then."""
    naming: ClassVar[tuple[str, str, bool] | None] = None
    """A template, and a text in which FILE is a file that the service reads at its start; whether it is the first slot's alone.

    None: what the service reads is the agent's alone.
    """
    reads_as_root: ClassVar[bool] = os.geteuid() == 0
    """Whether a file that nobody may read is no obstacle to the service."""
    installed_by: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Settings of services that name a program, as they are where it isn't installed. Empty: it is always there."""

    particular: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Settings that only one of several services has."""

    down: ClassVar[str] = "no process has the number in"
    """What is said of it when it doesn't run."""
    asking: ClassVar[str] = ""
    """A word of the command that asks whether it runs, where that is one."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def presented(self, listener: Listener) -> tuple[str, ...]:
        """Return what a client is presented, SHA-256 of each; nothing: openssl will see."""
        return ()

    @abstractmethod
    def settings(self, *, installed: bool) -> str:
        """Return the tables of the module and its services."""

    @abstractmethod
    def listeners(self) -> Iterable[Listener]:
        """Return where clients come in."""

    @abstractmethod
    def start(self) -> None:
        """Start the service with what is in service, and wait until it is up."""

    @abstractmethod
    def pid_files(self) -> Iterable[Path]:
        """Return where the numbers of the main processes stand."""

    @property
    def live_links(self) -> list[Path]:
        """What a switch changes on disk."""
        services = [self.layout.service(name).live for name in (*self.services, self.name)]
        return [link for link in (*services, self.layout.module(self.name).live) if link.is_symlink()]

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self.installed_by)

    def service_tables(self, *, installed: bool, **common: object) -> str:
        return "".join(
            table(
                f"services.{service}", {**common, **self.particular.get(service, {}), **({} if installed else absent)}
            )
            for service, absent in self.installed_by.items()
        )

    def kill(self) -> None:
        """End all processes as the OOM killer does."""
        kill_all(map(process_of, self.pid_files()))


class OnNginx(Subject):
    """A module in an nginx of the agent's own."""

    installed_by: ClassVar = {"nginx": {"binary": f"{NOWHERE}/nginx"}}

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.port, self.http_port = free_port(), free_port()

    def nginx_settings(self, *, installed: bool, **module: object) -> str:
        where = {"listen": f"127.0.0.1:{self.port}", "listen_http": f"127.0.0.1:{self.http_port}"}
        service = {"main": "own", "manager": "commands", "worker_processes": 1}
        service |= {"user": "www-data"} if os.geteuid() == 0 else {}
        return self.service_tables(installed=installed, **service) + table(f"modules.{self.name}", {**where, **module})

    def start(self) -> None:
        for socket_file in self.layout.run.glob("*-generation.sock"):
            socket_file.unlink()
        run_quietly(NGINX, "-e", "stderr", "-c", self.layout.service("nginx").live / "nginx.conf")
        until(lambda: all(map(process_of, self.pid_files())), what="nginx is up")

    def pid_files(self) -> list[Path]:
        return [self.layout.run / "nginx.pid"]


class ReverseProxy(OnNginx):
    name = "reverse_proxy"
    slot = "a.example.test"
    part = "sites/a.example.test.*.pem"
    template = (
        "reverse_proxy/site.conf.j2",
        '{% include "default:site.conf.j2" %}\nwrong on purpose;\n',
        'unknown directive "wrong"',
    )
    naming = (
        "reverse_proxy/site.conf.j2",
        '{% include "default:site.conf.j2" %}\n{% if slot == "a.example.test" %}\ninclude "FILE";\n{% endif %}\n',
        True,
    )
    sites: ClassVar = ("a.example.test", "b.example.test")

    def settings(self, *, installed: bool) -> str:
        text = self.nginx_settings(installed=installed)
        for site in self.sites:
            text += table("[modules.reverse_proxy.sites]", {"domains": [site], "upstream": "http://127.0.0.1:9"})
        return text

    def listeners(self) -> list[Listener]:
        return [Listener(site, self.port, site) for site in self.sites]


class WebAuth(OnNginx):
    name = "web_auth"
    part = "*.pem"
    template = (
        "web_auth/http.conf.j2",
        '{% include "default:http.conf.j2" %}\nwrong on purpose;\n',
        'unknown directive "wrong"',
    )
    naming = ("web_auth/http.conf.j2", '{% include "default:http.conf.j2" %}\ninclude "FILE";\n', False)
    domain = "login.example.test"

    def settings(self, *, installed: bool) -> str:
        return self.nginx_settings(installed=installed, domain=self.domain, upstream="http://127.0.0.1:9")

    def listeners(self) -> list[Listener]:
        return [Listener(self.slot, self.port, self.domain)]


# The interpreter may stand where another user can't read it, so all is imported before the change of user.
WEBUI = """
import os, sys
from pathlib import Path
import encodings.idna, uvicorn.protocols.http.h11_impl, uvicorn.lifespan.off, anyio._backends._asyncio
import plugins.webui.server
from plugins.webui.process import run
from agent.system.layout import Layout
root, pid_file, port, user, group = sys.argv[1:]
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(int(group), int(group), int(group))
    os.setresuid(int(user), int(user), int(user))
run(Layout(Path(root)).module("webui"), [], listen=[("127.0.0.1", int(port))], pid_file=Path(pid_file))
"""


class WebUI(Subject):
    """Its process is a user of its own, who owns nothing."""

    name = "webui"
    slot = "name"
    part = "name/*.pem"
    template = ("webui/generation.json.j2", "{ wrong on purpose\n", "The description of the generation is malformed")
    reads_as_root = False
    domain = "gw.example.test"
    user = "www-data"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.port = free_port()
        self.place = layout.root / "webui"
        self.place.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def services(self) -> tuple[str, ...]:
        return ("webui",)

    def settings(self, *, installed: bool) -> str:
        where = {"listen": f"127.0.0.1:{self.port}", "domain": self.domain, "run_as": self.user}
        service = {"manager": "commands", "pid_file": f"/{self.place.relative_to(self.layout.root)}/pid"}
        return table("services.webui", service) + table("modules.webui", where)

    def listeners(self) -> list[Listener]:
        return [Listener("name", self.port, self.domain), Listener("address", self.port)]

    def start(self) -> None:
        user, group = identity(self.user)
        if os.geteuid() == 0:
            os.chown(self.place, user, group)
        argv = [self.layout.root, *self.pid_files(), self.port, user, group]
        with (self.place / "log").open("ab") as log:
            self.process = prepared.start(["-c", WEBUI, *argv], stderr=log, cwd=CHECKOUT)
        until(
            lambda: all(map(process_of, self.pid_files())),
            what=f"webui is up: {(self.place / 'log').read_text()}",
        )

    def pid_files(self) -> list[Path]:
        return [self.place / "pid"]

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


def identity(user: str) -> tuple[int, int]:
    import pwd

    found = pwd.getpwnam(user)
    return found.pw_uid, found.pw_gid


class Mail(Subject):
    """Two daemons: each fault hits both."""

    name = "mail"
    slot = "mail.a.test"
    part = "chains/mail.a.test.*pem"
    template = ("mail/dovecot.conf.j2", "wrong_on_purpose = yes\n", "wrong_on_purpose")
    naming = ("mail/dovecot.conf.j2", '{% include "default:dovecot.conf.j2" %}\n!include FILE\n', False)
    installed_by: ClassVar = {
        "postfix": {"programs": NOWHERE},
        "dovecot": {"binary": f"{NOWHERE}/dovecot", "doveconf": f"{NOWHERE}/doveconf"},
    }
    particular: ClassVar = {"dovecot": {"version": DOVECOT}}
    names: ClassVar = {"default": "mail.example.test", "mail.a.test": "mail.a.test"}

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.ports = {listener: free_port() for listener in ("smtp", "smtps", "imap")}

    def settings(self, *, installed: bool) -> str:
        where = {
            listener: f"127.0.0.1:{self.ports[listener]}" if listener in self.ports else [] for listener in LISTENERS
        }
        main, *others = self.names.values()
        return self.service_tables(installed=installed, **OWN) + table(
            "modules.mail", {"hostname": main, "domains": others, **where}
        )

    def listeners(self) -> list[Listener]:
        return [
            Listener(slot, port, name, LISTENERS[listener])
            for listener, port in self.ports.items()
            for slot, name in self.names.items()
        ]

    def start(self) -> None:
        for pid_file in self.pid_files():
            if process_of(pid_file) is None:  # dovecot takes one that nobody has waited for to be running
                pid_file.unlink(missing_ok=True)
        run_quietly("/usr/sbin/postfix", "-c", self.layout.module("mail").live / "postfix", "start")
        run_quietly("/usr/sbin/dovecot", "-c", self.layout.service("dovecot").live / "dovecot.conf")
        until(lambda: all(map(process_of, self.pid_files())), what="postfix and dovecot are up")

    def pid_files(self) -> list[Path]:
        return [
            self.layout.root / "var/spool/chainwright-postfix/pid/master.pid",
            self.layout.run / "dovecot/master.pid",
        ]


class SSTP(Subject):
    """sstp-server, which has no reload: it is restarted by a program of the module."""

    name = "sstp"
    part = "*.pem"
    template = (
        "sstp/sstpd.conf.j2",
        '{% include "default:sstpd.conf.j2" %}\nwrong on purpose\n',
        "contains parsing errors",
    )
    installed_by: ClassVar = {"sstp": {"binary": f"{NOWHERE}/sstpd"}}
    domain = "vpn.example.test"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def settings(self, *, installed: bool) -> str:
        service = {**SSTPD, "pppd": str(write_pppd(self.layout.root))} | ({"binary": find_sstpd()} if installed else {})
        where = {"domain": self.domain, "listen": f"127.0.0.1:{self.port}"}
        return self.service_tables(installed=installed, **service) + table("modules.sstp", where)

    def listeners(self) -> list[Listener]:
        return [Listener(self.slot, self.port, self.domain)]

    def start(self) -> None:
        if all(map(process_of, self.pid_files())):
            return  # it died of a restart, so the agent has brought it back
        argv = [find_sstpd(), "-f", str(self.layout.module("sstp").live / "sstpd.conf")]
        with (self.layout.root / "sstpd.out").open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        (self.layout.run / "sstpd.pid").write_text(f"{self.process.pid}\n")
        until(lambda: served(self.port), what="sstp-server is up")

    def pid_files(self) -> list[Path]:
        return [self.layout.run / "sstpd.pid"]

    def kill(self) -> None:
        """The agent has started another one where it has restarted ours."""
        super().kill()
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


class IKEv2(Subject):
    """A charon of the agent's own, which is told everything over its control socket."""

    name = "ikev2"
    part = "*/default*.pem"
    template = (
        "ikev2/road-warrior.conf.j2",
        '{% include "default:road-warrior.conf.j2" %}\nwrong on purpose\n',
        "is neither a section nor a setting",
    )
    installed_by: ClassVar = {"strongswan": {"binary": f"{NOWHERE}/charon-systemd"}}
    down = "says that it does not run"
    asking = "plugins.ikev2.sas"
    domain = "vpn.example.test"

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.port, self.port_nat_t = free_port(), free_port()

    def settings(self, *, installed: bool) -> str:
        ports = {"port": self.port, "port_nat_t": self.port_nat_t}
        pool = '[[modules.ikev2.connections]]\nname = "road"\npools = ["10.88.0.0/24"]\n'
        user = f'[[modules.ikev2.users]]\nname = "alice"\npassword_file = "/{self.password.relative_to(self.layout.root)}"\n'
        service = self.service_tables(installed=installed, main="own", manager="commands", **ports)
        return service + table("modules.ikev2", {"domain": self.domain}) + pool + user

    @property
    def password(self) -> Path:
        path = self.layout.root / "password"
        path.touch(mode=0o600)
        path.write_text("secret")
        return path

    def listeners(self) -> list[Listener]:
        return [Listener(self.slot, self.port, self.domain)]

    def presented(self, listener: Listener) -> tuple[str, ...]:
        endpoint = Endpoint(port=listener.port, server_name=listener.name)
        return IkeProbe().look(endpoint, time.monotonic() + 10, Expected(fingerprints=(), generation=0)).fingerprints

    def start(self) -> None:
        configuration = self.layout.service("strongswan").live / "strongswan.conf"
        (pid_file,) = self.pid_files()
        argv = [CHARON, configuration, self.layout.run / "charon.vici", pid_file, self.layout.root / "charon.out"]
        run_quietly(sys.executable, "-P", "-m", "plugins.ikev2.start", *argv)
        until(self._serves, what="charon has loaded what is in service")

    def _serves(self) -> bool:
        try:
            return bool(self.presented(*self.listeners()))
        except ProbeFailed:
            return False

    def pid_files(self) -> list[Path]:
        return [self.layout.run / "charon.pid"]


SUBJECTS: tuple[type[Subject], ...] = (ReverseProxy, WebAuth, WebUI, Mail, SSTP, IKEv2)
