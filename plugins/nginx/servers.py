"""Servers of a configuration of nginx: where each listens, and which names it answers to."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from plugins.nginx.configuration import Directive, Place

EVERYWHERE = {"0.0.0.0": 4, "::": 6}  # noqa: S104 - compared with
USUAL_PORT = 80
OPTIONS = (
    "setfib",
    "fastopen",
    "backlog",
    "rcvbuf",
    "sndbuf",
    "accept_filter",
    "deferred",
    "bind",
    "ipv6only",
    "reuseport",
    "so_keepalive",
)
"""What nginx takes once an address."""
ADDRESS = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<host>[^:]*))(?::(?P<port>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Listen:
    """One address of a server."""

    address: str
    port: int
    options: frozenset[str]
    place: Place

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def family(self) -> int:
        """4 or 6; a name counts as 4."""
        return 6 if ":" in self.address else 4

    @property
    def everywhere(self) -> bool:
        """Whether it is every address of its family."""
        return self.address in EVERYWHERE

    @property
    def loopback(self) -> bool:
        """Whether nobody but this machine itself gets there."""
        return self.address in {"::1", "localhost"} or self.address.startswith("127.")

    @property
    def once(self) -> list[str]:
        """Options that an address may have once."""
        return sorted(each for each in self.options if each.partition("=")[0] in OPTIONS)

    @property
    def default(self) -> bool:
        """Whether its server is the default one there."""
        return bool(self.options & {"default_server", "default"})


@dataclass(frozen=True, slots=True)
class Server:
    """One server."""

    place: Place
    listens: tuple[Listen, ...]
    names: tuple[tuple[str, Place], ...]
    ours: bool
    """Whether it is in a file of the agent's."""


def servers(directives: Iterable[Directive], ours: str) -> Iterator[Server]:
    """Give the servers in the order in which nginx reads them. `ours`: directory of the agent's files, with a final slash."""
    for http in directives:
        for each in http.inside if http.name == "http" else ():
            if each.name == "server":
                yield _server(each, each.place.path.startswith(ours))


def _server(block: Directive, ours: bool) -> Server:
    listens = [listen for each in block.inside if each.name == "listen" if (listen := _listen(each))]
    told = any(each.name == "listen" for each in block.inside)
    usual = () if told else (Listen("0.0.0.0", USUAL_PORT, frozenset(), block.place),)  # noqa: S104 - as nginx does
    names = [
        (name.lower(), each.place) for each in block.inside if each.name == "server_name" for name in each.words[1:]
    ]
    return Server(block.place, (*listens, *usual), tuple(names), ours)


def _listen(directive: Directive) -> Listen | None:
    """Return the address of a ``listen``; None for a UNIX socket, and what nginx refuses."""
    text = directive.words[1] if len(directive.words) > 1 else ""
    text = f"*:{text}" if text.isdecimal() else text
    found = ADDRESS.fullmatch(text)
    if found is None or text.startswith("unix:"):
        return None
    address = found["six"] or found["host"]
    with suppress(ValueError):
        address = str(ipaddress.ip_address(address))
    address = "0.0.0.0" if address in {"", "*"} else address  # noqa: S104 - as nginx does
    port = int(found["port"] or USUAL_PORT)
    return Listen(address, port, frozenset(directive.words[2:]), directive.place)
