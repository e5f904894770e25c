"""Programs that serve DNS zones on loopback, and what is asked and changed there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from support.cas.program import Program, tail
from support.waiting import until

TTL = 60


@dataclass(frozen=True)
class Key:
    """A TSIG key (RFC 8945)."""

    name: str
    secret: str
    algorithm: str = "hmac-sha256"

    @property
    def for_dnspython(self) -> dns.tsig.Key:
        return dns.tsig.Key(self.name, self.secret, self.algorithm)


ADMIN = Key("admin", "YWRtaW4gb2YgdGhlIHRlc3QncyBuYW1lIHNlcnZlcnM=")
"""May change everything."""
AGENT = Key("agent", "dGhlIGFnZW50IG1heSB3cml0ZSBUWFQgcmVjb3Jkcw==")
"""May change TXT records."""


class ServerProgram(Program):
    """One server; it is up when it answers for the root or refuses to."""

    def __init__(self, directory: Path, program: str, argv: Sequence[object], address: str, port: int) -> None:
        self.directory = directory
        self.address = address
        self.port = port
        log = directory / f"{program}.log"
        super().__init__(log, [own_copy(directory, program), *argv], f"{address}:{port}", environment={})

    @property
    def place(self) -> str:
        """Where to ask: ``ADDRESS:PORT``."""
        return f"{self.address}:{self.port}"

    def _answers(self) -> bool:
        assert self._process
        code = self._process.poll()
        assert code is None, f"{self.log.stem} ended with {code}:\n{tail(self.log)}"
        try:
            self.ask("", "SOA", timeout=1)
        except (dns.exception.Timeout, OSError):
            return False
        return True

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it take what it is asked, and answer when this is over."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            until(self._is_stopped, what="each of its threads has stopped")  # one may have answered until then
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _is_stopped(self) -> bool:
        assert self._process
        states = Path(f"/proc/{self._process.pid}/task").glob("*/stat")
        return all(each.read_text().rpartition(")")[2].split()[0] == "T" for each in states)

    def control(self, *argv: object) -> None:
        """Run its control program."""
        done = subprocess.run([*map(str, argv)], check=False, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{tail(self.log)}"

    def ask(self, name: str, kind: str, *, timeout: float = 10) -> dns.message.Message:
        """Return what it says of its own zones."""
        query = dns.message.make_query(absolute(name), kind, flags=0)
        return dns.query.tcp(query, self.address, timeout, port=self.port)

    def values(self, name: str, kind: str) -> list[str]:
        """Return the records of a name, as in a zone's file, sorted."""
        answer = self.ask(name, kind)
        wanted = dns.rdatatype.from_text(kind)
        return sorted(each.to_text() for found in answer.answer if found.rdtype == wanted for each in found)

    def txt(self, name: str) -> list[str]:
        """Return the TXT values of a name, sorted."""
        return [each.replace('"', "").replace(" ", "") for each in self.values(name, "TXT")]

    def serial(self, zone: str) -> int:
        """Return the serial number of a zone, 0 if the server has none."""
        found = self.values(zone, "SOA")
        return int(found[0].split()[2]) if found else 0

    def update(self, zone: str, *changes: tuple[str, ...]) -> None:
        """Change a zone as its administrator: ``("add", NAME, TYPE, VALUE)``, ``("delete", NAME[, TYPE[, VALUE]])``."""
        message = dns.update.UpdateMessage(absolute(zone), keyring=ADMIN.for_dnspython)
        for action, name, *rest in changes:
            if action == "add":
                message.add(absolute(name), TTL, *rest)
            else:
                message.delete(absolute(name), *rest)
        answer = dns.query.tcp(message, self.address, 10, port=self.port)
        assert answer.rcode() == dns.rcode.NOERROR, f"{zone}: {answer}"


def absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name or ".")


def own_copy(directory: Path, program: str) -> Path:
    """Return a copy of a daemon: AppArmor lets the one of the system read nothing of a test."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"there is no {program}: ./test brings it"
    return Path(shutil.copy(found, directory / program))


def zone_text(zone: str, addresses: Sequence[str]) -> str:
    """Return a zone with its servers `ns1`, `ns2`, which live at `addresses`. What isn't there is so for a minute."""
    origin = absolute(zone).to_text()
    hosts = hosts_of(zone, addresses)
    servers = "".join(f"@ NS {host}.\n" for host in hosts)
    glue = "".join(f"{host}. A {address}\n" for host, address in hosts.items())
    soa = f"@ SOA {next(iter(hosts))}. admin.{zone or 'root'}. 1 3600 600 86400 300\n"
    return f"$ORIGIN {origin}\n$TTL {TTL}\n{soa}{servers}{glue}"


def hosts_of(zone: str, addresses: Sequence[str]) -> dict[str, str]:
    """Return the names of a zone's servers, and their addresses."""
    return {f"ns{number}.{zone or 'root'}": address for number, address in enumerate(addresses, 1)}
