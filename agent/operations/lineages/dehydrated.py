"""dehydrated: ``certs/NAME/fullchain.pem`` and ``privkey.pem``, links to the newest ones beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.operations.lineages.lineage import Client, Lineage


def lineages(directory: Path) -> Iterator[Lineage]:
    """Yield the lineages in the directory of dehydrated."""
    for found in sorted(directory.glob("certs/*/fullchain.pem")):
        yield Lineage(found.parent.name, found, found.with_name("privkey.pem"))


DEHYDRATED = Client("dehydrated", "/var/lib/dehydrated", "certs", lineages)
