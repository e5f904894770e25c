"""dehydrated: ``certs/NAME/fullchain.pem`` and ``privkey.pem``, links to the newest ones beside them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from agent.operations.lineages.client_files import ClientFiles, text_of
from agent.operations.lineages.lineage import Client, ClientAccount, Lineage

PRESETS = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-test": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "zerossl": "https://acme.zerossl.com/v2/DV90",
    "buypass": "https://api.buypass.com/acme/directory",
    "buypass-test": "https://api.test4.buypass.no/acme/directory",
    "google": "https://dv.acme-v02.api.pki.goog/directory",
    "google-test": "https://dv.acme-v02.test-api.pki.goog/directory",
}
"""CAs that its setting ``CA`` may name."""


def lineages(files: ClientFiles) -> Iterator[Lineage]:
    """Yield the lineages. Which CA they are of, the setting says; without one, the only account does."""
    known = {account.ca for account in accounts(files)}
    usual = _set(files) or (known.pop() if len(known) == 1 else "")
    for each in files.directories("certs"):
        ca = files.value(each / "config", "CA")
        yield Lineage(each.name, each / "fullchain.pem", each / "privkey.pem", PRESETS.get(ca, ca) or usual)


def accounts(files: ClientFiles) -> Iterator[ClientAccount]:
    """Yield the accounts: ``accounts/URL``, the directory's in base64url."""
    for each in files.directories("accounts"):
        key = each / "account_key.pem"
        if not key.exists() and not (each / "account_id.json").exists():
            continue  # the directory of another client
        url = text_of(files.json(each / "account_id.json").get("url"))
        yield ClientAccount(_decoded(each.name), key, url)


def _set(files: ClientFiles) -> str:
    ca = files.value(files.directory / "config", "CA")
    return PRESETS.get(ca, ca)


def _decoded(name: str) -> str:
    try:
        return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode().strip()
    except ValueError:
        return name


DEHYDRATED = Client(
    "dehydrated",
    "/var/lib/dehydrated",
    "certs",
    lineages,
    accounts,
    stop="sed -i '/dehydrated/s/^/#/' /etc/cron.d/dehydrated",
)
