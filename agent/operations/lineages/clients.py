"""The clients whose directories can be read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from agent.errors import AgentError
from agent.operations.lineages.acme_sh import ACME_SH
from agent.operations.lineages.caddy import CADDY
from agent.operations.lineages.certbot import CERTBOT
from agent.operations.lineages.client_files import ClientFiles
from agent.operations.lineages.dehydrated import DEHYDRATED
from agent.operations.lineages.lego import LEGO
from agent.operations.lineages.lineage import Client

UP = 3
"""Directories above one that are looked at: certbot's ``accounts/HOST/PATH`` has three."""
CLIENTS = {each.name: each for each in (ACME_SH, CADDY, CERTBOT, DEHYDRATED, LEGO)}


def holder_of(client: Client, directory: Path) -> tuple[str, str] | None:
    """Return the client, this one first, whose directory this one is or is in, and that directory; None: there is none."""
    for place in (directory, *directory.parents[:UP]):
        for each in (client, *CLIENTS.values()):
            with suppress(AgentError, OSError):
                if next(iter(each.lineages(ClientFiles(place))), None) is not None:
                    return each.name, str(place)
    return None
