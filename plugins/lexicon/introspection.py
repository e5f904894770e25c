"""Listing of dns-lexicon's providers and their options: ``python -m plugins.lexicon.introspection`` prints ``providers.json``.

It uses what is private in the library, and so is done when a version of it is taken, not when the agent runs.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from typing import Any

COMMON = frozenset({"help"})
LEFT_OUT = frozenset({"auto", "ddns"})
"""`auto` guesses by name servers, and has the options of all; what is wrong with the other one is said in `solver`."""

EITHER = (("auth_token",), ("auth_username", "auth_password"))
NEEDED: Mapping[str, Sequence[Sequence[str]]] = {
    "cloudflare": [["auth_token"]],
    "cloudns": [[each, "auth_password"] for each in ("auth_id", "auth_subid", "auth_subuser")],
    "conoha": [["auth_token"], ["auth_username", "auth_password", "auth_tenant_id"]],
    "desec": EITHER,
    "dnsimple": EITHER,
    "flexibleengine": [["auth_token"]],
    "gandi": [["auth_token"]],
    "hover": [["auth_username", "auth_password"]],
    "mythicbeasts": EITHER,
    "oci": [[]],
    "powerdns": [["auth_token", "pdns_server"]],
    "rackspace": [["auth_account", "auth_token"], ["auth_account", "auth_username", "auth_api_key"]],
    "route53": [["auth_access_key", "auth_access_secret"], ["auth_username", "auth_token"], []],
    "ultradns": EITHER,
    "yandexcloud": [["auth_token"]],
    "zonomi": [["auth_token"]],
}
"""Options without which a provider can do nothing, in one of these ways, where it isn't simply all that have no default.

None at all: it finds credentials by itself, as on a machine of its cloud. The library doesn't tell; its sources do.
"""


def listed() -> dict[str, Any]:
    """Return what the installed library has. Its extras need not be installed: a module says its options without them."""
    from lexicon._private.discovery import find_providers, load_provider_module

    extras = set(distribution("dns-lexicon").metadata.get_all("Provides-Extra") or ())
    providers = {}
    for name in sorted(find_providers()):
        if name not in LEFT_OUT:
            parser = ArgumentParser()
            load_provider_module(name).Provider.configure_parser(parser)
            providers[name] = {"extra": name in extras, **_told(name, parser)}
    return {"version": distribution("dns-lexicon").version, "providers": providers}


def _told(name: str, parser: ArgumentParser) -> dict[str, Any]:
    """Return what is known of a provider's options; what is empty is left out."""
    found = [each for each in parser._actions if each.dest not in COMMON]
    flags = [each.dest for each in found if each.nargs == 0]
    defaults = {each.dest: each.default for each in found if each.default is not None and each.dest not in flags}
    told = {
        "options": {each.dest: " ".join((each.help or "").split()).strip() for each in found},
        "needed": NEEDED.get(name, [[each.dest for each in found if each.dest not in {*flags, *defaults}]]),
        "flags": flags,
        "defaults": defaults,
        "choices": {each.dest: [*each.choices] for each in found if each.choices},
    }
    return {key: value for key, value in told.items() if value or key == "options"}


def main() -> None:
    """Print the file."""
    sys.stdout.write(json.dumps(listed(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
