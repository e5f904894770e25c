"""A whole appliance whose mail is served by a private postfix and a private dovecot: engine, store, wire."""

import shutil
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from agent.contract.endpoint import StartTLS
from agent.demo.modules import dovecot_version
from agent.probing.connection import restricted_context
from agent.probing.handshake import lenient_context
from agent.probing.plain_stream import PlainStream
from agent.probing.starttls import begin
from agent.system.processes import process_of
from support.appliances.deployed import Deployed, leaf_of, run_quietly
from support.ports import free_port
from support.toml import table
from support.waiting import until

LISTENERS = {
    "smtp": StartTLS.SMTP,
    "submission": StartTLS.SMTP,
    "smtps": None,
    "imap": StartTLS.IMAP,
    "imaps": None,
    "pop3": StartTLS.POP3,
    "pop3s": None,
}
MAIN = "mail.example.test"
NAMES = ("mail.a.test", "*.b.test")
ASKED = {MAIN: "default", "mail.a.test": "mail.a.test", "any.b.test": "_wildcard.b.test", "other.test": "default"}
"""Name that a client asks for -> slot whose chain it ought to get."""
OWN = {"main": "own", "manager": "commands"}
DOVECOT = dovecot_version("/usr/sbin/dovecot")
"""Whose settings the one here reads: "2.3" or "2.4"."""
ACCOUNT, PASSWORD = "somebody", "correct-horse"
WITH_ACCOUNT = {
    "2.3": """passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={root}/mail
}}
{{% include "default:dovecot.conf.j2" %}}
mail_location = maildir:{root}/mail
""",
    "2.4": """{{% include "default:dovecot.conf.j2" %}}
passdb static {{
  password = {password}
}}
userdb static {{
  fields {{
    uid = nobody
    gid = nogroup
    home = {root}/mail
  }}
}}
mail_driver = maildir
mail_path = {root}/mail
""",
}


@dataclass
class Mailed(Deployed):
    """Postfix and dovecot of the agent's own."""

    name: ClassVar[str] = "mail"
    ports: dict[str, int] = field(default_factory=lambda: {door: free_port() for door in LISTENERS})
    hostname: str = MAIN
    domains: Sequence[str] = NAMES
    postfix: dict[str, Any] = field(default_factory=lambda: dict(OWN))
    dovecot: dict[str, Any] = field(default_factory=lambda: dict(OWN))

    def tables(self) -> str:
        where = {door: f"127.0.0.1:{port}" for door, port in self.ports.items()}
        values = {"hostname": self.hostname, "domains": list(self.domains), **where, **self.module}
        services = table("services.postfix", self.postfix) + table(
            "services.dovecot", {"version": DOVECOT, **self.dovecot}
        )
        return services + table("modules.mail", values)

    def with_account(self) -> None:
        """Let somebody log in."""
        mail = self.root / "mail"
        mail.mkdir()
        shutil.chown(mail, "nobody", "nogroup")
        text = WITH_ACCOUNT[DOVECOT].format(password=PASSWORD, root=self.root)
        self.override("dovecot/dovecot.conf.j2", text)

    # The daemons

    @property
    def pid_files(self) -> dict[str, Path]:
        return {
            "postfix": self.root / "var/spool/chainwright-postfix/pid/master.pid",
            "dovecot": self.layout.run / "dovecot/master.pid",
        }

    def master(self, service: str) -> int | None:
        return process_of(self.pid_files[service])

    def commands(self) -> dict[str, list[str | Path]]:
        """Return the command by which an administrator starts each."""
        configuration = self.layout.service("dovecot").live / "dovecot.conf"
        return {
            "postfix": ["/usr/sbin/postfix", "-c", self.layout.module("mail").live / "postfix", "start"],
            "dovecot": ["/usr/sbin/dovecot", "-c", configuration],
        }

    def start_daemon(self, service: str) -> None:
        run_quietly(*self.commands()[service])
        until(lambda: self.master(service), what=f"{service} is up")

    def start_service(self) -> None:
        for service in self.pid_files:
            self.start_daemon(service)

    def kill(self, *services: str) -> None:
        super().kill(*services)
        for service in services or self.pid_files:
            self.pid_files[service].unlink(missing_ok=True)

    # What is seen

    def connect(self, door: str, name: str | None = MAIN, kind: str = "") -> ssl.SSLSocket:
        """Make a connection and secure it. `kind`: aRSA or aECDSA."""
        plain = socket.create_connection(("127.0.0.1", self.ports[door]), timeout=20)
        try:
            if protocol := LISTENERS[door]:
                begin(PlainStream(plain, door, time.monotonic() + 20), protocol, MAIN)
            plain.settimeout(20)
            context = restricted_context(kind) if kind else lenient_context()
            return context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def leaf(self, door: str, name: str | None = MAIN, kind: str = "") -> str:
        """Return the SHA-256 of the leaf that a client gets."""
        with self.connect(door, name, kind) as stream:
            return leaf_of(stream)

    def seen(self) -> dict[tuple[str, str], str]:
        """Return the leaf that each name gets through each door."""
        return {(door, name): self.leaf(door, name) for door in LISTENERS for name in ASKED}

    def assert_served(self) -> None:
        """Each name is served with the chain that it is bound to, through every door."""
        bound = self.chains()
        assert self.seen() == {(door, name): bound[slot] for door in LISTENERS for name, slot in ASKED.items()}
