"""Caddy (certmagic): ``certificates/CA/NAME/NAME.crt`` and ``NAME.key``, a name each."""

from __future__ import annotations

from collections.abc import Iterator

from agent.operations.lineages.client_files import ClientFiles, text_of
from agent.operations.lineages.lineage import Client, ClientAccount, Lineage

LOCAL = "local"
"""Of what its own CA has signed: nothing that goes on."""


def lineages(files: ClientFiles) -> Iterator[Lineage]:
    """Yield the lineages of ACME CAs: host, port and path of the directory, with dashes between them."""
    for ca in files.directories("certificates"):
        for each in files.directories("certificates", ca.name) if ca.name != LOCAL else ():
            yield Lineage(each.name, each / f"{each.name}.crt", each / f"{each.name}.key", ca.name)


def accounts(files: ClientFiles) -> Iterator[ClientAccount]:
    """Yield the accounts: ``acme/CA/users/MAIL``, or ``default``."""
    for ca in files.directories("acme"):
        for each in files.directories("acme", ca.name, "users"):
            for key in files.files("acme", ca.name, "users", each.name):
                if key.suffix == ".key":
                    url = text_of(files.json(key.with_suffix(".json")).get("location"))
                    yield ClientAccount(ca.name, key, url)


CADDY = Client(
    "caddy",
    "/var/lib/caddy/.local/share/caddy",
    "certificates",
    lineages,
    accounts,
    stop="systemctl disable --now caddy",
    stopped_too="This stops its web server too. Where that is still needed, give each site its files in the Caddyfile instead: "
    "tls FULLCHAIN KEY",
)
