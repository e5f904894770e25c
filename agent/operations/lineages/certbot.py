"""certbot: ``live/NAME/fullchain.pem`` and ``privkey.pem``, links to the newest ones in ``archive/``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from agent.operations.lineages.client_files import ClientFiles, text_of
from agent.operations.lineages.lineage import Client, ClientAccount, Lineage


def lineages(files: ClientFiles) -> Iterator[Lineage]:
    """Yield the lineages in the directory of certbot."""
    for each in files.directories("live"):
        server = files.value(_renewal(files, each.name), "server")
        yield Lineage(each.name, each / "fullchain.pem", each / "privkey.pem", server)


def accounts(files: ClientFiles) -> Iterator[ClientAccount]:
    """Yield the accounts: ``accounts/HOST/PATH/ID``, of which a lineage names the id."""
    used = Counter(files.value(_renewal(files, each.name), "account") for each in files.directories("live"))
    found = list(_accounts(files, "accounts"))
    yield from sorted(found, key=lambda account: used[account.key.parent.name], reverse=True)


def _accounts(files: ClientFiles, *under: str) -> Iterator[ClientAccount]:
    for each in files.directories(*under):
        key = each / "private_key.json"
        if key.exists() or (each / "regr.json").exists():
            url = text_of(files.json(each / "regr.json").get("uri"))
            yield ClientAccount("/".join(under[1:]), key, url)
        elif len(under) < 5:
            yield from _accounts(files, *under, each.name)


def _renewal(files: ClientFiles, name: str) -> Path:
    return files.directory / "renewal" / f"{name}.conf"


CERTBOT = Client(
    "certbot", "/etc/letsencrypt", "live", lineages, accounts, stop="systemctl disable --now certbot.timer"
)
