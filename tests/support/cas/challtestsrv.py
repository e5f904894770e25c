"""pebble-challtestsrv: the DNS of a test CA, and a little server that answers HTTP-01 challenges where no product does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from support.cas.program import Program, directly
from support.paths import CHECKOUT
from support.ports import free_port

NEW = CHECKOUT / ".test/pebble_sid/usr/bin"
"""Directory of the programs of 2.10."""
OLD = CHECKOUT / ".test/pebble_bookworm/usr/bin"
"""Directory of the programs of 2.4."""


def program_of(directory: Path, name: str) -> Path:
    """Return one of Pebble's programs."""
    program = directory / name
    assert program.exists(), f"there is no {program}: ./test brings it"
    return program


@dataclass
class Challtestsrv:
    """Every name resolves to 127.0.0.1 and to no IPv6 address, unless it's told otherwise. Names are without the last dot."""

    directory: Path
    programs: Path = NEW
    http_port: int | None = None
    """Where it answers HTTP-01; None: nowhere."""
    port: int = field(default_factory=free_port)
    """Of its DNS server, for UDP and TCP."""
    management_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        # The flag has another name since 2.5; what is empty is not served.
        old = self.programs == OLD
        argv = [program_of(self.programs, "pebble-challtestsrv"), "-dns01" if old else "-dnsserver", self.address]
        argv += ["-http01", f"127.0.0.1:{self.http_port}" if self.http_port else "", "-https01", "", "-tlsalpn01", ""]
        argv += ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-management", f"127.0.0.1:{self.management_port}"]
        argv += [] if old else ["-doh", ""]
        self._http = directly()
        self._program = Program(self.directory / "challtestsrv.log", argv, self._url(""), environment={})
        self._program.start()

    @property
    def address(self) -> str:
        """Where to ask: ``ADDRESS:PORT``."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._program.end()
        self._http.close()

    # DNS

    def add_a(self, name: str, *addresses: str) -> None:
        self._tell("add-a", host=f"{name}.", addresses=addresses)

    def clear_a(self, name: str) -> None:
        """Let it resolve to 127.0.0.1 again."""
        self._tell("clear-a", host=f"{name}.")

    def add_aaaa(self, name: str, *addresses: str) -> None:
        self._tell("add-aaaa", host=f"{name}.", addresses=addresses)

    def clear_aaaa(self, name: str) -> None:
        self._tell("clear-aaaa", host=f"{name}.")

    def add_caa(self, name: str, *policies: tuple[str, str]) -> None:
        """`policies`: (tag, value). Neither CA looks at them."""
        self._tell("add-caa", host=f"{name}.", policies=[{"tag": tag, "value": value} for tag, value in policies])

    def clear_caa(self, name: str) -> None:
        self._tell("clear-caa", host=f"{name}.")

    def set_txt(self, name: str, value: str) -> None:
        self._tell("set-txt", host=f"{name}.", value=value)

    def clear_txt(self, name: str) -> None:
        self._tell("clear-txt", host=f"{name}.")

    def set_cname(self, name: str, target: str) -> None:
        self._tell("set-cname", host=f"{name}.", target=f"{target}.")

    def clear_cname(self, name: str) -> None:
        self._tell("clear-cname", host=f"{name}.")

    def set_servfail(self, name: str) -> None:
        """Let its lookups fail, until `clear_servfail`."""
        self._tell("set-servfail", host=f"{name}.")

    def clear_servfail(self, name: str) -> None:
        self._tell("clear-servfail", host=f"{name}.")

    def set_default_a(self, address: str) -> None:
        """Let every other name resolve to `address`; empty: to nothing."""
        self._tell("set-default-ipv4", ip=address)

    def set_default_aaaa(self, address: str) -> None:
        self._tell("set-default-ipv6", ip=address)

    # HTTP-01

    def answer(self, token: str, key_authorization: str) -> None:
        """Answer a challenge at `http_port`."""
        self._tell("add-http01", token=token, content=key_authorization)

    def answer_no_more(self, token: str) -> None:
        self._tell("del-http01", token=token)

    def redirect(self, path: str, url: str) -> None:
        """Send who asks for `path` at `http_port` to another place."""
        self._tell("add-redirect", path=path, targetURL=url)

    # Inside

    def _url(self, command: str) -> str:
        return f"http://127.0.0.1:{self.management_port}/{command}"

    def _tell(self, command: str, **values: object) -> None:
        self._http.post(self._url(command), json=values, timeout=20).raise_for_status()
