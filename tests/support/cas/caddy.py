"""Caddy's ACME server (`acme_server`), made of step-ca's code: a CA that offers just the challenges that it's told to.

Tests get one from `caddy_with(**options)`. It speaks HTTPS with a certificate of its own root, which `trust_file` holds, and
its chains end in the same root. It asks for TXT records at `dns_place`; for http-01 and tls-alpn-01 it asks the system for the
addresses, at ports 80 and 443, which cannot be changed: `hosts` has the system know some, and needs root. Its leaves live for
12 hours, its intermediate for a week; it has no ARI and no profiles.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from support.cas.challtestsrv import CHECKOUT
from support.cas.program import Program, directly
from support.ports import free_port
from support.waiting import until

CADDY = CHECKOUT / ".test/caddy_sid/usr/bin/caddy"


@dataclass(frozen=True)
class CaddyOptions:
    """What it does."""

    dns_place: str
    """ADDRESS:PORT of the DNS server that it asks."""
    challenges: Sequence[str] = ("http-01", "dns-01", "tls-alpn-01")
    lifetime: str = "12h"
    hosts: Sequence[str] = ()
    """Names that are at 127.0.0.1 for it, and for nobody else."""


class Caddy:
    """A CA."""

    def __init__(self, directory: Path, options: CaddyOptions) -> None:
        """Start one whose files are in `directory`."""
        assert CADDY.exists(), f"there is no {CADDY}: ./test brings it"
        self.directory = directory
        self.port = free_port()
        self.http_port = free_port()
        """Nobody is asked there: it looks at port 80."""
        self.trust_file = directory / "root.pem"
        """What a client must trust to talk to the CA, and what its certificates end in."""
        self.log = directory / "caddy.log"
        self._admin = f"127.0.0.1:{free_port()}"
        (directory / "caddy.json").write_text(json.dumps(self._configuration(options)))
        argv = [*self._knowing(options.hosts), CADDY, "run", "--config", directory / "caddy.json"]
        environment = {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
        self._program = Program(self.log, argv, f"http://{self._admin}/config/", environment=environment)
        self.start()

    @property
    def directory_url(self) -> str:
        return f"https://localhost:{self.port}/acme/local/directory"

    def roots(self) -> list[str]:
        """Return the roots of its chains, as PEM."""
        return [self.trust_file.read_text()]

    def start(self) -> None:
        """Start it where it was, with what it knew, and wait until it serves its directory."""
        self._program.start()
        until(self._is_up, what=lambda: self.log.read_text(errors="replace")[-4000:])

    def stop(self) -> None:
        self._program.end()

    close = stop

    def _is_up(self) -> bool:
        """Return whether it serves its directory; its root is known before."""
        root = directly().get(f"http://{self._admin}/pki/ca/local", timeout=20)
        if not root.ok:
            return False
        self.trust_file.write_text(root.json()["root_certificate"])
        try:
            return directly().get(self.directory_url, timeout=20, verify=str(self.trust_file)).ok
        except requests.ConnectionError:
            return False

    def _knowing(self, hosts: Sequence[str]) -> list[object]:
        """Return what runs a program with names in /etc/hosts that nobody else sees."""
        if not hosts:
            return []
        file = self.directory / "hosts"
        file.write_text("".join(f"127.0.0.1 {each}\n" for each in ("localhost", *hosts)))
        return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', file]

    def _configuration(self, options: CaddyOptions) -> dict[str, object]:
        server = {
            "handler": "acme_server",
            "ca": "local",
            "lifetime": options.lifetime,
            "resolvers": [f"tcp/{options.dns_place}"],
            "challenges": [*options.challenges],
            "policy": {"allow_wildcard_names": True},
        }
        return {
            "admin": {"listen": self._admin, "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "DEBUG"}}},
            "apps": {
                "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
                "tls": {"automation": {"policies": [{"issuers": [{"module": "internal"}]}]}},
                "http": {
                    "http_port": self.http_port,
                    "https_port": self.port,
                    "servers": {
                        "acme": {
                            "listen": [f"127.0.0.1:{self.port}"],
                            "automatic_https": {"disable_redirects": True},
                            "routes": [{"match": [{"host": ["localhost"]}], "handle": [server]}],
                        }
                    },
                },
            },
        }
