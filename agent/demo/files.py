"""The demo's settings files: written where there are none, so that they stay the administrator's."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from agent.demo.ca import CA, PEBBLE, Ports, acme_settings, configured_ports, proxied_http_port, settings_file
from agent.demo.configured import choose_module_ports, claimed_ports
from agent.demo.modules import (
    OFFERS,
    ROOT,
    UPSTREAM,
    DemoModule,
    appliance_settings,
    find_program,
    webui_settings,
)
from agent.demo.ports import Place, choose_ports
from agent.demo.requirements import MissingRequirement, missing_requirement
from agent.errors.store import StateUnwritable
from agent.system.layout import Layout
from agent.system.writing import replace

WEBUI_PORT = 8443
PROXIED = ("reverse_proxy", "web_auth")
"""Modules that pass what they are asked on to the demo."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found."""

    missing: tuple[MissingRequirement, ...]
    """Modules that can't be shown, each with what is in the way."""
    notes: tuple[str, ...]
    """What differs from what was asked for."""
    ca: Ports | None = None
    """Where the settings want the CA of the demo; None: nowhere."""


def prepare(layout: Layout, port: int | None, offers: Sequence[DemoModule] = OFFERS, ca: CA = PEBBLE) -> Prepared:
    """Write the files that are missing, and the port of the web interface where `port` says so. Raises `StateUnwritable`."""
    try:
        layout.conf_d.mkdir(parents=True, exist_ok=True)
        _write_missing(layout.settings, appliance_settings())
        notes = list(_prepare_webui(layout, port))
        missing = [each for each in (_prepare(layout, offer) for offer in offers) if each]
        _prepare_ca(layout, ca)
    except OSError as error:
        raise StateUnwritable(str(layout.etc), (error.strerror or str(error)).lower()) from error
    return Prepared(tuple(missing), tuple(notes), configured_ports(layout))


def upstream_ports(layout: Layout) -> list[int]:
    """Return the ports of `UPSTREAM` that the modules name; none where their files can't be read."""
    addresses = [urlsplit(str(each)) for name in PROXIED for each in _upstreams(layout.conf_d / f"{name}.toml", name)]
    return sorted({port for each in addresses if each.hostname == UPSTREAM and (port := _port_of(each))})


def _upstreams(path: Path, module: str) -> list[Any]:
    try:
        table = tomllib.loads(path.read_text())["modules"][module]
        return [each.get("upstream") for each in table.get("sites", [table])]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _port_of(address: SplitResult) -> int | None:
    try:
        return address.port
    except ValueError:
        return None


def _prepare_webui(layout: Layout, port: int | None) -> Iterator[str]:
    path = layout.conf_d / "webui.toml"
    if not path.exists():
        wanted = port or WEBUI_PORT
        chosen = choose_ports([Place(wanted)], claimed_ports(layout))[0]
        if chosen != wanted:
            yield f"Port {wanted} is taken; the web interface got {chosen} and keeps it (--port says otherwise)."
        _write(path, webui_settings(chosen))
    elif port is not None and webui_settings(port) != path.read_text():
        if not _is_ours(path):
            yield f"--port has no effect: {path} was changed by hand, so change it there."
            return
        _write(path, webui_settings(port))


def _is_ours(path: Path) -> bool:
    """Whether the file says nothing but what the demo would write for its port."""
    try:
        listen: Any = tomllib.loads(path.read_text())["modules"]["webui"]["listen"]
        return webui_settings(int(listen.rpartition(":")[2])) == path.read_text()
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _prepare(layout: Layout, offer: DemoModule) -> MissingRequirement | None:
    """Return why the module can't be shown."""
    path, program = layout.conf_d / f"{offer.module}.toml", find_program(offer.program)
    hindered = missing_requirement(offer, layout.root, os.geteuid())
    if program is None or hindered is not None:
        return hindered
    for name, text in offer.programs:
        replace(layout.root / name, text.encode(), mode=0o755)
    if not path.exists():
        text = offer.settings(program, choose_module_ports(layout, offer)).replace(ROOT, str(layout.root))
        replace(path, text.encode(), mode=offer.mode)
    return None


def _prepare_ca(layout: Layout, ca: CA) -> None:
    """The CA looks for answers where the reverse proxy serves HTTP, whose file has to be there already."""
    if ca.programs() and not settings_file(layout).exists():
        directory, dns, http = choose_ports(ca.places, claimed_ports(layout))
        _write(settings_file(layout), acme_settings(Ports(directory, dns, proxied_http_port(layout) or http)))


def _write_missing(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    replace(path, text.encode(), mode=0o644)
