"""Loading of directories laid out like /etc/swanctl into charon, over vici.

Called as ``python -m plugins.ikev2.load --socket SOCKET --state FILE DIRECTORY...``. Keys come first, then certificates, users
and pools, then the connections, and only then is taken away what is no longer used: there is no instant without credentials,
and tunnels that are up stay up. Cross-certificates are loaded as authorities, as those can be taken away again. Where charon
refuses something, it is given again what was loaded before, and the exit code is 1.
What other programs have loaded, swanctl for example, is left alone: FILE lists what was loaded here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from plugins.ikev2.arguments import parser
from plugins.ikev2.configuration import Configuration, read
from plugins.ikev2.cross_certificates import Arranged, Authority, arrange
from plugins.ikev2.grammar import Unreadable
from plugins.ikev2.loaded import Loaded, running
from plugins.ikev2.peers_seen import authenticated_by
from plugins.ikev2.tunnels import tunnels
from plugins.ikev2.vici_socket import plain, session

BEGINS_AT_ONCE = "-1"
"""Milliseconds to wait for a connection that is begun: none (vici, ``initiate``)."""
CROSS = "chainwright-cross-"
"""Begin of the names of the authorities that are cross-certificates."""


class Refused(Exception):
    """Refusal by charon. The text is a sentence."""


class Loading:
    """One loading into one charon."""

    def __init__(self, charon: Any, configuration: Configuration, before: Loaded) -> None:
        self._charon = charon
        self._configuration = configuration
        self._before = before
        self._arranged: Arranged = arrange(configuration.authorities, configuration.anchors)
        self.loaded = Loaded(anchors=sorted(sha256(each).hexdigest() for each in configuration.anchors))

    def add(self) -> None:
        """Load everything. Raises `Refused` at the first thing that charon doesn't take."""
        wanted = self._configuration
        for path, key in wanted.keys.items():
            answer = self._ask(f"the key {path}", self._charon.load_key, {"type": "any", "data": key})
            self.loaded.keys.append(plain(answer["id"]))
        for kind, flag, files in (
            ("X509", "CA", self._arranged.authorities),
            ("X509", "NONE", wanted.leaves),
            ("X509_CRL", "NONE", wanted.lists),
        ):
            for path, data in files.items():
                self._ask(path, self._charon.load_cert, {"type": kind, "flag": flag, "data": data})
        for name, secret in wanted.secrets.items():
            self._ask(f"the secret {name}", self._charon.load_shared, secret)
            self.loaded.secrets.append(name)
        for name, pool in wanted.pools.items():
            self._ask(f"the pool {name}", self._charon.load_pool, {name: pool})
            self.loaded.pools.append(name)
        early, late = self._crosses()
        self._unload_other_crosses()
        self._load_crosses(early)
        for name, connection in wanted.connections.items():
            self._ask(f"the connection {name}", self._charon.load_conn, {name: connection})
            self.loaded.connections.append(name)
        self._load_crosses(late)

    def _crosses(self) -> tuple[list[Authority], list[Authority]]:
        """Return the cross-certificates that are loaded before the connections, and those that come after them.

        One that leads to what the connections of before don't believe would have their peers refused.
        """
        early: list[Authority] = []
        late: list[Authority] = []
        for each in self._arranged.crosses:
            known = self._arranged.issuers.get(each.sha256) in self._before.anchors
            (early if known else late).append(each)
        return early, late

    def _unload_other_crosses(self) -> None:
        """Take away cross-certificates that aren't wanted any more: two that lead to each other lead nowhere."""
        wanted = [CROSS + each.sha256 for each in self._arranged.crosses]
        for name in plain(self._charon.get_authorities()["authorities"]):
            if name.startswith(CROSS) and name not in wanted:
                self._ask(f"to unload {name}", self._charon.unload_authority, {"name": name})

    def _load_crosses(self, crosses: Iterable[Authority]) -> None:
        for each in crosses:
            authority = {CROSS + each.sha256: {"cacert": each.der}}
            self._ask(each.path, self._charon.load_authority, authority)

    def verify(self) -> None:
        """Make sure that charon has the key of each leaf: it says nothing when it has not. Raises `Refused`.

        An older key of the same leaf doesn't count, as it is going to be unloaded.
        """
        usable = {
            bytes(each["data"])
            for each in self._charon.list_certs({"type": "X509", "flag": "NONE"})
            if plain(each.get("has_privkey")) == "yes"
        }
        for path, leaf in self._configuration.leaves.items():
            if leaf not in usable or _key_id(leaf) not in self.loaded.keys:
                raise Refused(f"charon has no key for {path}")

    def remove(self, before: Loaded) -> None:
        """Unload what was loaded before and isn't any more; what charon has forgotten meanwhile is gone as well."""
        from vici.exception import CommandException  # type: ignore[import-untyped]

        for unload, argument, old, new in (
            (self._charon.unload_conn, "name", before.connections, self.loaded.connections),
            (self._charon.unload_pool, "name", before.pools, self.loaded.pools),
            (self._charon.unload_shared, "id", before.secrets, self.loaded.secrets),
            (self._charon.unload_key, "id", before.keys, self.loaded.keys),
        ):
            for each in old:
                if each not in new:
                    try:
                        unload({argument: each})
                    except CommandException as error:
                        sys.stderr.write(f"{each} is left behind: {error}\n")
        self._charon.flush_certs()

    def begin(self) -> None:
        """Begin the connections that this side begins, where they aren't up."""
        for tunnel in tunnels(self._charon, self._configuration):
            for child in [] if tunnel.is_beginning else tunnel.begun:
                if child not in tunnel.children:
                    request = {"ike": tunnel.name, "child": child, "timeout": BEGINS_AT_ONCE}
                    self._ask(f"the connection {tunnel.name}", self._begin_one, request)

    def _begin_one(self, request: Any) -> None:
        for _ in self._charon.initiate(request):
            """Return charon's reason, which is in its log too."""

    @staticmethod
    def _ask(what: str, call: Any, message: Any) -> Any:
        from vici.exception import CommandException

        try:
            return call(message)
        except CommandException as error:
            raise Refused(f"charon refuses {what}: {str(error).removeprefix('Command failed: ')}") from None


def _key_id(leaf: bytes) -> str:
    """Return what charon calls a certificate's key: SHA-1 of it (RFC 5280 section 4.2.1.2, method 1)."""
    from cryptography import x509

    public_key = x509.load_der_x509_certificate(leaf).public_key()
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()


def load(charon: Any, configuration: Configuration, before: Loaded) -> Loaded:
    """Load, verify, unload; return what is loaded now. Raises `Refused` after what was loaded before is back."""
    loading = Loading(charon, configuration, before)
    try:
        loading.add()
        loading.verify()
    except Refused:
        _go_back(charon, before, loading.loaded)
        raise
    loading.loaded.seen = before.seen | authenticated_by(charon, configuration)
    loading.remove(before)
    loading.loaded.note(running(charon), [*configuration.leaves.values(), *configuration.authorities.values()])
    loading.begin()
    return loading.loaded


def _go_back(charon: Any, before: Loaded, tried: Loaded) -> None:
    """Load again what was loaded before, and take away what was tried, as far as that is possible."""
    try:
        loading = Loading(charon, read([Path(each) for each in before.directories]), tried)
        loading.add()
        loading.remove(tried)
    except (Refused, Unreadable) as error:
        sys.stderr.write(f"what was loaded before can't be loaded again: {error}\n")


class Prepared:
    """What is to be loaded, read before there is a charon."""

    def __init__(self, state: Path, directories: Sequence[Path]) -> None:
        """`state` remembers what was loaded. Raises `Unreadable`."""
        self._state = state
        self._directories = directories
        self._configuration = read([*directories])

    def load(self, charon: Any) -> None:
        """Load it, unless it is there already. Raises `Refused`, and OSError for a charon that doesn't answer."""
        before = Loaded.read(self._state)
        if before.directories and not any(before.differences(running(charon), self._directories)):
            Loading(charon, self._configuration, before).begin()
            return
        loaded = load(charon, self._configuration, before)
        loaded.directories = [str(each) for each in self._directories]
        loaded.remember(self._state)


def main(arguments: Sequence[str] | None = None) -> int:
    """Load; return the exit code."""
    chosen = parser("load", "Load a configuration into charon.").parse_args(arguments)
    try:
        prepared = Prepared(chosen.state, [each.resolve() for each in chosen.directories])
        with session(chosen.socket) as charon:
            prepared.load(charon)
    except (Unreadable, Refused) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"charon does not answer at {chosen.socket}: {(error.strerror or str(error)).lower()}")
    return 0


def _complain(text: str) -> int:
    sys.stderr.write(f"error: {text}\n")
    return 1


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
