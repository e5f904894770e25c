"""lego: ``certificates/NAME.crt``, with the intermediates unless it was told otherwise, and ``NAME.key``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.operations.lineages.lineage import Client, Lineage

ISSUER = ".issuer.crt"
"""Of a file with the intermediates alone."""


def lineages(directory: Path) -> Iterator[Lineage]:
    """Yield the lineages in the directory of lego."""
    for found in sorted(directory.glob("certificates/*.crt")):
        if not found.name.endswith(ISSUER):
            yield Lineage(found.stem, found, found.with_suffix(".key"))


LEGO = Client("lego", "/root/.lego", "certificates", lineages)
