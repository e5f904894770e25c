"""lego: ``certificates/NAME.crt`` and ``NAME.key``; the intermediates are in the first, or alone in ``NAME.issuer.crt``."""

from __future__ import annotations

from collections.abc import Iterator

from agent.operations.lineages.authority import host_of
from agent.operations.lineages.client_files import ClientFiles, text_of
from agent.operations.lineages.lineage import Client, ClientAccount, Lineage

ISSUER = ".issuer.crt"
"""Of a file with the intermediates alone."""


def lineages(files: ClientFiles) -> Iterator[Lineage]:
    """Yield the lineages. Of the CA lego keeps the host: a certificate's own URL is there."""
    place = files.directory / "certificates"
    for stem in sorted({each.stem for each in files.files("certificates") if _is_of_a_lineage(each.name)}):
        url = text_of(files.json(place / f"{stem}.json").get("certUrl"))
        yield Lineage(stem, place / f"{stem}.crt", place / f"{stem}.key", host_of(url), place / f"{stem}{ISSUER}")


def _is_of_a_lineage(name: str) -> bool:
    return name.endswith((".crt", ".key")) and not name.endswith(ISSUER)


def accounts(files: ClientFiles) -> Iterator[ClientAccount]:
    """Yield the accounts: ``accounts/HOST/MAIL``, with an underscore for the colon of a port."""
    for host in files.directories("accounts"):
        for each in files.directories("accounts", host.name):
            key = each / "keys" / f"{each.name}.key"
            if not key.exists() and not (each / "account.json").exists():
                continue  # the directory of another client
            registration = files.json(each / "account.json").get("registration")
            url = text_of(registration.get("uri")) if isinstance(registration, dict) else ""
            yield ClientAccount(host.name, key, url)


LEGO = Client(
    "lego", "/root/.lego", "certificates", lineages, accounts, stop="crontab -l | sed '/lego/s/^/#/' | crontab -"
)
