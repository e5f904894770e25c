"""``chainwright acme_dns``: registrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugins.acme_dns.server import MEMBERS, Server

if TYPE_CHECKING:
    from chainwright import Appliance


def add_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add them all."""

    @commands.command("register")
    @click.argument("domain")
    @click.option("--url", required=True, help="Where the server's API is.")
    @click.option(
        "--table", default="acme_dns", show_default=True, metavar="NAME", help="Table of the settings: [dns.NAME]."
    )
    @click.option(
        "--allow-from", multiple=True, metavar="NETWORK", help="Who may change the record; may be given several times."
    )
    @click.option(
        "--trust", type=click.Path(exists=True, path_type=Path), help="PEM file with the roots of the server."
    )
    def register(domain: str, url: str, table: str, allow_from: tuple[str, ...], trust: Path | None) -> None:
        """Register DOMAIN at an acme-dns server; print what belongs into the settings and into the zone.

        What is printed for the settings holds a password: keep it in a file of mode 0600.
        """
        name = domain.removeprefix("*.").rstrip(".").lower()
        made = Server(url, 30.0, trust).register(allow_from)
        alias = f"_acme-challenge.{name}. CNAME {made['fulldomain']}."
        lines = [
            f'[dns.{table}.registrations."{name}"]',
            *(f'{each} = "{made[each]}"' for each in MEMBERS),
            "",
            f"# in the zone of {name}: {alias}",
        ]
        appliance.answer({"domain": name, "registration": made, "alias": alias}, lines)
