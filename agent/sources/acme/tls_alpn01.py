"""`AlpnAnswers`: who answers TLS-ALPN-01 challenges (RFC 8737) on this machine, found out by asking it.

Certificates are files of a directory, whose names are what clients send as SNI: whichever process of the agent a CA connects to,
it presents them. CAs get there in one of two ways:

- a server in front, nginx for one, has port 443 and passes connections that offer ``acme-tls/1`` on to a UNIX socket of the
  agent, with a line of the PROXY protocol before each;
- the agent itself, where nobody has the port. It gives the port back when the last `serving` ends.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from agent.contract.endpoint import Address
from agent.probing.connection import NOBODY_LISTENS, connected, secured
from agent.sources.acme.alpn_responder import PROTOCOL, AlpnResponder, answer_for, server_name_of
from agent.sources.acme.bounded_server import EVERYWHERE, QUEUE, listen
from agent.sources.acme.http01 import LONGEST, PATIENCE, WORKERS, addresses_for, where_to_ask
from agent.system.clock_offsets import age
from agent.system.writing import write_new

DIRECTORY = "tls-alpn-01"
SOCKET = "tls-alpn-01.sock"
"""Where a server in front passes connections to."""
OWN_NAME = "chainwright.invalid"
"""What the agent's own listener answers without ``acme-tls/1``, which nothing in front would pass on."""
OCTETS = 32
OLD = 86_400.0
"""Seconds after which nobody looks at an answer any more."""
BOUND = 60.0
"""Seconds after which a socket that nobody has put in its place is of a process that was killed."""


class AlpnAnswers:
    """One for all orders of a process at one CA. May be used from several threads. `close` it at the end."""

    def __init__(
        self,
        run: Path,
        now: Callable[[], datetime],
        *,
        port: int = 443,
        addresses: Callable[[], Sequence[str]] = where_to_ask,
        hosts: Sequence[str] = EVERYWHERE,
    ) -> None:
        """`run`: where certificates and the socket are; `hosts`: where the agent listens itself (see `listen`)."""
        self.directory = run / DIRECTORY
        self._socket = run / SOCKET
        self._now = now
        self._port = port
        self._addresses = addresses
        self._hosts = hosts
        self._lock = threading.Lock()
        self._serving = 0
        self._behind: AlpnResponder | None = None
        """Listens at the socket."""
        self._inode = 0
        self._own: AlpnResponder | None = None
        """Listens at the port."""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Listen as long as an order has challenges to be answered."""
        with self._lock:
            self._serving += 1
            if self._behind is None:
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._serving -= 1
                if not self._serving:
                    self._stop()

    def prepare(self, names: Collection[str]) -> Mapping[str, str]:
        """Return why a CA would not see the answers for some of `names`, a clause each. Takes 15 seconds at most."""
        if not names:
            return {}
        own, deadline = self._addresses(), time.monotonic() + LONGEST
        with ThreadPoolExecutor(min(WORKERS, len(names)), thread_name_prefix="self-test") as pool:
            found = pool.map(lambda name: self._look(name, own, deadline), names)
            return {name: why for name, why in zip(names, found, strict=True) if why}

    def present(self, name: str, key_authorization: str) -> bytes:
        """Have the certificate for a name presented; return it, DER. Raises OSError."""
        made, pem = answer_for(name, key_authorization, self._now())
        path = self._file(server_name_of(name))
        new = path.with_name(f".{secrets.token_hex(8)}")  # several orders, and processes, may prove one name
        write_new(new, pem, mode=0o600, flush=False)
        new.replace(path)
        return made

    def clean_up(self, name: str) -> None:
        """Forget the answer for a name. Raises nothing."""
        with contextlib.suppress(OSError):
            self._file(server_name_of(name)).unlink()

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            self._stop()

    # Looking

    def _look(self, name: str, own: Sequence[str], deadline: float) -> str:
        try:
            wanted = self.present(name, secrets.token_urlsafe(OCTETS))
        except OSError as error:
            return f"{self.directory} can't be written ({error.strerror or error})"
        try:
            return self._asked(name, wanted, addresses_for(name, own), deadline)
        finally:
            self.clean_up(name)

    def _asked(self, name: str, wanted: bytes, addresses: Sequence[str], deadline: float) -> str:
        seen = [self._seen(name, each, deadline) for each in addresses]
        if all(each is None for each in seen):
            if closed := self._open():
                return _closed(self._port, closed)
            seen = [self._seen(name, each, deadline) for each in addresses]
        for address, certificate in zip(addresses, seen, strict=True):
            if certificate == wanted:
                self._stay_beside(address, deadline)
                return ""
        return (
            f"what listens at port {self._port} of this machine does not pass {PROTOCOL} on to the agent, as nginx does with "
            "tls_alpn = true in [services.nginx]"
        )

    def _seen(self, name: str, address: str, deadline: float, protocols: Sequence[str] = (PROTOCOL,)) -> bytes | None:
        """Return the certificate that is presented at an address, empty for none at all; None: nobody listens there."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(protocols)
        until = min(deadline, time.monotonic() + PATIENCE)
        try:
            with (
                connected(Address(host=address, port=self._port), until) as plain,
                secured(plain, context, server_name_of(name), until) as stream,
            ):
                rightly = not protocols or stream.selected_alpn_protocol() in protocols
                return (stream.getpeercert(binary_form=True) or b"") if rightly else b""
        except OSError as error:
            return None if error.errno in NOBODY_LISTENS else b""

    # Listening

    def _stay_beside(self, address: str, deadline: float) -> None:
        """Listen beside another process of the agent, if it is one that answers: it may end before our order does."""
        if self._own is None and self._seen(OWN_NAME, address, deadline, ()):
            self._open(beside=True)

    def _open(self, *, beside: bool = False) -> OSError | None:
        """Listen at the port, if it isn't done already; return why not."""
        with self._lock:
            if self._own is None:
                try:
                    self.present(OWN_NAME, "")
                    listener = listen(self._port, self._hosts, beside=beside)
                except OSError as error:
                    return error
                self._own = AlpnResponder(listener, self.directory, proxied=False).start()
        return None

    def _begin(self) -> None:
        """Listen at the socket. Where that can't be, nothing in front can pass anything on, which the look finds out."""
        with contextlib.suppress(OSError):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            new = self._socket.with_name(f".{secrets.token_hex(4)}.sock")
            listener = _listen_at(new)
            self._inode = new.stat().st_ino
            new.replace(self._socket)  # of another process, too: the one that came last answers for all
            self._behind = AlpnResponder(listener, self.directory, proxied=True).start()

    def _sweep(self) -> None:
        """Remove what a process left that was killed."""
        left = [*((each, OLD) for each in self.directory.iterdir())]
        left += [(each, BOUND) for each in self._socket.parent.glob(".*.sock")]
        for path, seconds in left:
            with contextlib.suppress(OSError):  # another process may have removed it just now
                if age(path.lstat().st_mtime) > seconds:
                    path.unlink()

    def _stop(self) -> None:
        for each in (self._behind, self._own):
            if each is not None:
                each.close()
        with contextlib.suppress(OSError):
            if self._behind is not None and self._socket.stat().st_ino == self._inode:
                self._socket.unlink()
        self._behind = self._own = None

    def _file(self, server_name: str) -> Path:
        return self.directory / f"{server_name}.pem"


def _listen_at(path: Path) -> socket.socket:
    """Listen at a UNIX socket to which anybody may connect: what is presented there is for everybody. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(QUEUE)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _closed(port: int, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"nobody listens at port {port} of this machine, and the agent has no right to do it itself"
    return f"nobody answers at port {port} of this machine, and it can't be opened ({error.strerror or error})"
