"""Listing of dns-lexicon's providers and their options: ``python -m plugins.lexicon.introspection`` prints ``providers.json``.

It uses what is private in the library, and so is done when a version of it is taken, not when the agent runs.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from importlib.metadata import distribution
from typing import Any

COMMON = frozenset({"help"})
LEFT_OUT = frozenset({"auto", "ddns"})
"""`auto` guesses by name servers, and has the options of all; what is wrong with the other one is said in `solver`."""


def listed() -> dict[str, Any]:
    """Return what the installed library has. Its extras need not be installed: a module says its options without them."""
    from lexicon._private.discovery import find_providers, load_provider_module

    extras = set(distribution("dns-lexicon").metadata.get_all("Provides-Extra") or ())
    providers = {}
    for name in sorted(find_providers()):
        if name not in LEFT_OUT:
            parser = ArgumentParser()
            load_provider_module(name).Provider.configure_parser(parser)
            providers[name] = {"extra": name in extras, "options": _options(parser)}
    return {"version": distribution("dns-lexicon").version, "providers": providers}


def _options(parser: ArgumentParser) -> dict[str, str]:
    found = [each for each in parser._actions if each.dest not in COMMON]
    return {each.dest: " ".join((each.help or "").split()).strip() for each in found}


def main() -> None:
    """Print the file."""
    sys.stdout.write(json.dumps(listed(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
