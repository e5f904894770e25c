"""acme.sh: ``NAME/fullchain.cer`` and ``NAME/NAME.key``; ``NAME_ecc`` where the key is ECDSA."""

from __future__ import annotations

from collections.abc import Iterator

from agent.operations.lineages.client_files import ClientFiles
from agent.operations.lineages.lineage import Client, ClientAccount, Lineage


def lineages(files: ClientFiles) -> Iterator[Lineage]:
    """Yield the lineages: directories with a configuration that is called like the name in theirs."""
    for each in files.directories():
        name = each.name.removesuffix("_ecc")
        conf = each / f"{name}.conf"
        if conf.exists():
            yield Lineage(each.name, each / "fullchain.cer", each / f"{name}.key", files.value(conf, "Le_API"))


def accounts(files: ClientFiles) -> Iterator[ClientAccount]:
    """Yield the accounts: ``ca/HOST/PATH``, without the port."""
    yield from _accounts(files, "ca")


def _accounts(files: ClientFiles, *under: str) -> Iterator[ClientAccount]:
    for each in files.directories(*under):
        if (each / "account.key").exists() or (each / "ca.conf").exists():
            url = files.value(each / "ca.conf", "ACCOUNT_URL")
            yield ClientAccount("/".join((*under[1:], each.name)), each / "account.key", url)
        elif len(under) < 5:
            yield from _accounts(files, *under, each.name)


ACME_SH = Client(
    "acme.sh", "/root/.acme.sh", "NAME", lineages, accounts, stop="/root/.acme.sh/acme.sh --uninstall-cronjob"
)
