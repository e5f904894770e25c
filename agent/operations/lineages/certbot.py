"""certbot: ``live/NAME/fullchain.pem`` and ``privkey.pem``, links to the newest ones in ``archive/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.operations.lineages.lineage import Client, Lineage


def lineages(directory: Path) -> Iterator[Lineage]:
    """Yield the lineages in the directory of certbot."""
    for found in sorted(directory.glob("live/*/fullchain.pem")):
        yield Lineage(found.parent.name, found, found.with_name("privkey.pem"))


CERTBOT = Client("certbot", "/etc/letsencrypt", "live", lineages)
