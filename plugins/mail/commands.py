"""``chainwright mail``: what of mail's keys is to be in DNS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from chainwright import Appliance, TlsaRow

MODULE = "mail"
NOTHING = "; There is no TLSA record to publish: {} serves no public name with SMTP yet."


def add_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add them all."""

    @commands.command("tlsa")
    @click.option(
        "--module", default=MODULE, show_default=True, metavar="NAME", help="Instance whose keys they are of."
    )
    def tlsa(module: str) -> None:
        """Print the TLSA records of the keys in use, and of those that follow, as lines of a zone's file (DANE, RFC 7672)."""
        found = appliance.tlsa(module=module)
        lines = [line for each in found for line in _lines(each)] or [NOTHING.format(module)]
        appliance.answer({"records": [asdict(each) for each in found]}, lines)


def _lines(row: TlsaRow) -> Iterator[str]:
    yield f"; {row.module}/{row.slot}, {row.key} key, {row.state}"
    yield f"{row.owner}. IN TLSA {row.record}"
