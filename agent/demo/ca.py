"""The demo's CA: what it needs on the machine, the settings by which the appliance asks it, and where it is to listen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.demo.modules import NGINX_PLACES, find_program
from agent.demo.ports import LOOPBACK, Place, Transport
from agent.system.layout import Layout

TRUST = "/var/lib/pebble/listener-root.pem"
"""Below ``--root``: what the CA's own server is trusted by."""


@dataclass(frozen=True, slots=True)
class CA:
    """Pebble, a CA for trying out (https://github.com/letsencrypt/pebble), with the DNS server that comes with it."""

    program: str = "pebble"
    dns_program: str = "pebble-challtestsrv"
    package: str = "pebble"
    """Debian package that has both."""
    places: tuple[Place, ...] = (
        Place(14000),
        Place(8053, transports=(Transport.UDP, Transport.TCP)),
        NGINX_PLACES[1],
    )
    """Where it would like to have its directory, its DNS, and to look for answers to HTTP-01 where no module answers."""

    def programs(self) -> tuple[str, str] | None:
        """Return the absolute paths, None when one of them is not there."""
        found = find_program(self.program), find_program(self.dns_program)
        return (found[0], found[1]) if found[0] and found[1] else None


PEBBLE = CA()


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the settings say that the CA is; all are on `LOOPBACK`."""

    directory: int
    dns: int
    http: int
    """Where the CA looks for answers to HTTP-01."""

    @property
    def url(self) -> str:
        """Return the URL of the directory."""
        return f"https://{LOOPBACK}:{self.directory}/dir"


def settings_file(layout: Layout) -> Path:
    """Return the file by which the CA is on the ladder."""
    return layout.conf_d / "acme.toml"


def acme_settings(ports: Ports) -> str:
    """Return the settings by which the appliance asks the CA."""
    return f"""\
# The demo's CA: Pebble, for trying out, on this machine only. The demo starts and ends it, and what it signs is trusted by
# nobody else. A real appliance has Let's Encrypt here, which is the default, and needs none of this table.
sources = ["uploaded", "acme", "local"]

[acme]
directory = "{ports.url}"
trust = "{TRUST}"
names = "any" # also those that end in .test, which no public CA certifies
http_port = {ports.http} # where it looks for answers to challenges
resolvers = "{LOOPBACK}:{ports.dns}" # its DNS server: every name is this machine
"""


def configured_ports(layout: Layout) -> Ports | None:
    """Return where the settings want the CA of the demo; None where they name another one, or none."""
    try:
        acme: dict[str, Any] = tomllib.loads(settings_file(layout).read_text())["acme"]
        directory, resolver = urlsplit(str(acme["directory"])), urlsplit(f"//{acme['resolvers']}")
        if directory.hostname == resolver.hostname == LOOPBACK and directory.port and resolver.port:
            return Ports(directory.port, resolver.port, int(acme["http_port"]))
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return None


def proxied_http_port(layout: Layout) -> int | None:
    """Return the port on which the reverse proxy of the demo serves HTTP; None where there is none."""
    try:
        module = tomllib.loads((layout.conf_d / "reverse_proxy.toml").read_text())["modules"]["reverse_proxy"]
        return int(str(module["listen_http"]).rpartition(":")[2])
    except (OSError, ValueError, LookupError, TypeError):
        return None
