"""Ports that the demo's settings files name already: nobody may listen there yet, and they are somebody's all the same."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.demo.ca import configured_ports
from agent.demo.modules import DemoModule
from agent.demo.ports import Place, choose_ports
from agent.system.layout import Layout

ADDRESS = re.compile(r"(?:.*[^:]|\[.*\]):(\d{1,5})(?:/.*)?", re.DOTALL)
"""Text that ends in a port, or has it before a path."""
PROXY, PORTAL = "reverse_proxy", "web_auth"
"""They share an nginx and its addresses."""


def choose_module_ports(layout: Layout, offer: DemoModule) -> tuple[int, ...]:
    """Return the ports for a module whose settings file is to be written. Raises OSError where none is free."""
    if offer.module == PORTAL and (shared := _listening(layout)):
        own = choose_ports(offer.places[len(shared) :], claimed_ports(layout))
        return (*shared, *own)
    if offer.module == PROXY and (ca := configured_ports(layout)):
        https, _, upstream = offer.places
        return choose_ports((https, Place(ca.http), upstream), claimed_ports(layout) - {ca.http})
    return choose_ports(offer.places, claimed_ports(layout))


def claimed_ports(layout: Layout) -> frozenset[int]:
    """Return every port that a file in `conf.d` names."""
    return frozenset(port for path in layout.conf_d.glob("*.toml") for port in _ports_of("", _tables(path)))


def _listening(layout: Layout) -> tuple[int, ...]:
    """Return the ports of HTTPS and HTTP at which the reverse proxy serves; none where there is no such file."""
    try:
        module = _tables(layout.conf_d / f"{PROXY}.toml")["modules"][PROXY]
        found = [ADDRESS.fullmatch(str(module[name])) for name in ("listen", "listen_http")]
    except (LookupError, TypeError):
        return ()
    return tuple(int(each[1]) for each in found if each) if all(found) else ()


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _ports_of(key: str, value: object) -> Iterator[int]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _ports_of(name, each)
    elif isinstance(value, list):
        for each in value:
            yield from _ports_of(key, each)
    elif isinstance(value, int) and "port" in key.split("_"):
        yield value
    elif isinstance(value, str) and (found := ADDRESS.fullmatch(value)):
        yield int(found[1])
