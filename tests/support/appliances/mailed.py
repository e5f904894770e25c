"""A whole appliance whose mail is served by a private postfix and a private dovecot: engine, store, wire."""

import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from agent.contract.endpoint import StartTLS
from agent.model.deployment import EndpointRecord, Outcome, Refusal
from agent.probing.connection import lenient_context, restricted_context
from agent.probing.starttls import begin
from agent.system.command import process_of
from support.appliances.deployed import Deployed, until
from support.appliances.proxied import alive, table
from support.ports import free_port

DOORS = {
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
ACCOUNT, PASSWORD = "somebody", "correct-horse"
WITH_ACCOUNT = """passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={root}/mail
}}
{{% include "default:dovecot.conf.j2" %}}
mail_location = maildir:{root}/mail
"""


@dataclass
class Mailed(Deployed):
    """Its settings are fields: change them, then `configure`."""

    ports: dict[str, int] = field(default_factory=lambda: {door: free_port() for door in DOORS})
    hostname: str = MAIN
    domains: Sequence[str] = NAMES
    module: dict[str, object] = field(default_factory=dict)
    postfix: dict[str, object] = field(default_factory=lambda: dict(OWN))
    dovecot: dict[str, object] = field(default_factory=lambda: dict(OWN))
    more: str = ""

    @classmethod
    @contextmanager
    def make(cls, **options) -> Iterator[Self]:
        """Give an appliance in a directory with a short name, as UNIX sockets need it, that unprivileged processes reach."""
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
        where = {door: f"127.0.0.1:{port}" for door, port in self.ports.items()}
        values = {"hostname": self.hostname, "domains": list(self.domains), **where, **self.module}
        text = 'hostname = "gw"\naddresses = ["127.0.0.1"]\n[probe]\ntimeout = 5\n'
        text += table("services.postfix", self.postfix) + table("services.dovecot", self.dovecot)
        self.settings(text + table("modules.mail", values) + self.more)

    def override(self, name: str, text: str) -> Path:
        """Write a template of the operator's."""
        path = self.layout.templates / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def with_account(self) -> None:
        """Let somebody log in."""
        mail = self.root / "mail"
        mail.mkdir()
        shutil.chown(mail, "nobody", "nogroup")
        text = WITH_ACCOUNT.format(password=PASSWORD, root=self.root)
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

    def start_daemon(self, service: str) -> None:
        """Start one as an administrator would."""
        live = self.layout.module("mail").live
        argv = {
            "postfix": ["/usr/sbin/postfix", "-c", str(live / "postfix"), "start"],
            "dovecot": ["/usr/sbin/dovecot", "-c", str(self.layout.service("dovecot").live / "dovecot.conf")],
        }
        self.run_daemon(service, argv[service])

    def run_daemon(self, service: str, argv: Sequence[str]) -> None:
        """Start one, and wait for it; what it leaves behind holds no pipe of ours."""
        subprocess.run(
            argv, check=True, timeout=30, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: self.master(service), what=f"{service} is up")

    def stop_daemon(self, service: str) -> None:
        """End one with its children."""
        pid = self.master(service)
        if pid is None:
            return
        pids = [pid, *descendants(pid)]
        for each in pids:
            with_patience_for_the_dead(each)
        until(lambda: not any(alive(each) for each in pids), what=f"{service} has ended")
        self.pid_files[service].unlink(missing_ok=True)

    def end(self) -> None:
        for service in self.pid_files:
            self.stop_daemon(service)
        self.close()

    def bring_up(self) -> None:
        """Apply, start both by hand, and have them looked at."""
        self.apply()
        for service in self.pid_files:
            self.start_daemon(service)
        self.apply()
        deployment = self.deployment("mail")
        assert deployment.outcome is Outcome.LIVE, deployment.problem
        self.runner.ran.clear()

    def renew(self) -> None:
        """Make the chains of all names due."""
        self.clock.advance(days=61)

    # What is known and what is seen

    def chains(self) -> dict[str, str]:
        """Return the chain that each slot is bound to."""
        with self.store() as store:
            return {each.slot: each.chain for each in store.modules.bindings()}

    def records(self) -> list[EndpointRecord]:
        with self.store() as store:
            return store.endpoints.all()

    def refusals(self) -> list[Refusal]:
        with self.store() as store:
            return store.deployments.refusals()

    def connect(self, door: str, name: str | None = MAIN, kind: str = "") -> ssl.SSLSocket:
        """Make a connection and secure it. `kind`: aRSA or aECDSA."""
        plain = socket.create_connection(("127.0.0.1", self.ports[door]), timeout=20)
        try:
            if protocol := DOORS[door]:
                begin(plain, protocol, door, time.monotonic() + 20)
            plain.settimeout(20)
            context = restricted_context(kind) if kind else lenient_context()
            return context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def leaf(self, door: str, name: str | None = MAIN, kind: str = "") -> str:
        """Return the SHA-256 of the leaf that a client gets."""
        with self.connect(door, name, kind) as stream:
            return hashlib.sha256(stream.getpeercert(binary_form=True) or b"").hexdigest()

    def seen(self) -> dict[tuple[str, str], str]:
        """Return the leaf that each name gets through each door."""
        return {(door, name): self.leaf(door, name) for door in DOORS for name in ASKED}

    def assert_served(self) -> None:
        """Each name is served with the chain that it is bound to, through every door."""
        bound = self.chains()
        assert self.seen() == {(door, name): bound[slot] for door in DOORS for name, slot in ASKED.items()}


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found = []
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        found += [child, *descendants(child)]
    return found


def with_patience_for_the_dead(pid: int) -> None:
    """Kill a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
