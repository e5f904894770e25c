"""Two sites in network namespaces of a test's own, joined by a cable, each with a charon."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from vici.exception import CommandException

from agent.testing.appliance import short_directory
from plugins.ikev2.vici_socket import session
from support.appliances.ikev2 import IKEv2Appliance
from support.waiting import until

CHARON = "/usr/sbin/charon-systemd"
CLIENT_CONF = """charon {{
  load = random nonce openssl aes md5 sha1 sha2 mgf1 hmac kdf gcm drbg pem pkcs1 pkcs8 x509 pubkey revocation constraints \
socket-default kernel-libipsec kernel-netlink vici eap-identity eap-mschapv2 eap-tls
  filelog {{
    log {{
      path = {root}/charon.log
      flush_line = yes
      default = 1
    }}
  }}
  plugins {{
    vici {{
      socket = unix://{root}/charon.vici
    }}
  }}
}}
charon-systemd : charon {{
}}
"""
ECHO_SERVER = """import socket, sys
listener = socket.create_server((sys.argv[1], 7777))
print("ready", flush=True)
while True:
    stream, _ = listener.accept()
    while data := stream.recv(1000):
        stream.sendall(data)
"""
ECHO_CLIENT = """import socket, sys
stream = socket.create_connection((sys.argv[1], 7777), timeout=20)
for line in sys.stdin:
    stream.sendall(line.encode())
    print(stream.recv(1000).decode(), end="", flush=True)
"""


@dataclass(frozen=True)
class Site:
    """One end of the cable: a network namespace, which a process of its own holds.

    No name in /run/netns, as `ip netns` gives: that takes a root directory that is a mount point, and a chroot's isn't one.
    """

    holder: int
    outer: str
    """Address on the cable."""
    inner: str
    """Address behind the site, that the other reaches through a tunnel."""

    def argv(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holder}/ns/net", *argv]

    def ip(self, *arguments: str) -> None:
        subprocess.run(self.argv("ip", *arguments), check=True, timeout=30, capture_output=True)


@contextmanager
def namespace() -> Iterator[int]:
    """Give the number of a process in a network namespace of its own."""
    argv = ["unshare", "--net", "sh", "-c", "echo ready && exec sleep infinity"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"ready\n"
            yield holder.pid
        finally:
            holder.kill()


@contextmanager
def cable() -> Iterator[tuple[Site, Site]]:
    """Give two sites that reach each other's outer address."""
    with namespace() as here, namespace() as there:
        left, right = Site(here, "10.99.0.1", "10.77.0.1"), Site(there, "10.99.0.2", "10.78.0.1")
        left.ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(there))
        for site in (left, right):
            site.ip("link", "set", "lo", "up")
            site.ip("addr", "add", f"{site.inner}/32", "dev", "lo")
            site.ip("addr", "add", f"{site.outer}/24", "dev", "cable")
            site.ip("link", "set", "cable", "up")
        yield left, right


@dataclass
class SiteAppliance(IKEv2Appliance):
    """An appliance whose agent and charon live in a namespace; there the ports are the usual ones."""

    site: Site | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        wrapper = self.program("charon", f"#!/bin/sh\nexec {' '.join(self.site.argv(CHARON))}\n")
        self.port, self.port_nat_t = 500, 4500
        self.service |= {"binary": wrapper, "userspace": True}

    @property
    def charon_argv(self) -> list[str]:
        return self.site.argv(CHARON)

    def command(self, *arguments: str, code: int = 0, data: bytes = b"") -> str:
        """Run chainwright there."""
        argv = self.site.argv(sys.executable, "-P", "-m", "agent", "--root", str(self.root), *arguments)
        result = subprocess.run(argv, input=data, capture_output=True, check=False, timeout=90)
        assert result.returncode == code, (arguments, result.stdout, result.stderr)
        return result.stdout.decode()

    def deploy(self) -> None:
        """Apply, and have it live."""
        self.command("apply")
        self.assert_live()


class Client:
    """A charon that dials in."""

    def __init__(self, root: Path, site: Site) -> None:
        self.root = root
        configuration = root / "strongswan.conf"
        configuration.write_text(CLIENT_CONF.format(root=root))
        environment = {**os.environ, "STRONGSWAN_CONF": str(configuration)}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(site.argv(CHARON), env=environment, **quiet)
        until(self.answers, what="the client's charon is up")

    @classmethod
    @contextmanager
    def make(cls, site: Site) -> Iterator[Self]:
        with short_directory() as root:
            client = cls(root, site)
            try:
                yield client
            finally:
                client.process.kill()
                client.process.wait()

    def answers(self) -> bool:
        try:
            with self.charon() as charon:
                charon.version()
        except OSError:
            return False
        return True

    @contextmanager
    def charon(self) -> Iterator[Any]:
        with session(self.root / "charon.vici") as found:
            yield found

    def trust(self, roots: bytes) -> None:
        """Have it trust one root in DER, or those of a PEM text, of which charon would read the first alone."""
        texts = [b"-----BEGIN" + each for each in roots.split(b"-----BEGIN")[1:]]
        with self.charon() as charon:
            for root in texts or [roots]:
                charon.load_cert({"type": "X509", "flag": "CA", "data": root})

    def load(
        self,
        name: str,
        local: dict[str, object],
        remote: dict[str, object],
        server: str = "10.99.0.1",
        vips: Sequence[str] = ("0.0.0.0",),
        local_ts: Sequence[str] = ("dynamic",),
    ) -> None:
        connection = {
            "version": "2",
            "remote_addrs": [server],
            "vips": list(vips),
            "local": local,
            "remote": {"auth": "pubkey", **remote},
            "children": {"net": {"local_ts": list(local_ts), "remote_ts": ["10.77.0.0/24"]}},
        }
        with self.charon() as charon:
            charon.load_conn({name: connection})

    def password(self, user: str, text: str) -> None:
        with self.charon() as charon:
            charon.load_shared({"id": user, "type": "EAP", "data": text.encode(), "owners": [user]})

    def dial(self, name: str) -> bool:
        """Dial in; return whether there is a tunnel."""
        try:
            with self.charon() as charon:
                list(charon.initiate({"ike": name, "child": "net", "timeout": "15000"}))
        except CommandException:
            return False
        return True

    def hang_up(self, name: str) -> None:
        with self.charon() as charon:
            list(charon.terminate({"ike": name, "timeout": "10000"}))

    def log(self) -> str:
        return (self.root / "charon.log").read_text()


@contextmanager
def echoing(site: Site) -> Iterator[None]:
    """Have a TCP server answer at a site's inner address."""
    argv = site.argv(sys.executable, "-c", ECHO_SERVER, site.inner)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


class Conversation:
    """One TCP connection that stays open."""

    def __init__(self, site: Site, address: str) -> None:
        argv = site.argv(sys.executable, "-c", ECHO_CLIENT, address)
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @classmethod
    @contextmanager
    def to(cls, site: Site, address: str) -> Iterator[Self]:
        made = cls(site, address)
        try:
            yield made
        finally:
            made.process.kill()
            made.process.communicate()

    def goes_on(self, word: str) -> bool:
        """Say a word, and hear whether it comes back."""
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        return self.process.stdout.readline().decode() == f"{word}\n"
