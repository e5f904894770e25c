"""What is in service, beside the database: the chains of each live generation as files, for the day on which that is lost.

A generation's files have keys and certificates in whatever form the service wants, and don't tell for which request a chain was
made. So the rows of its chains are kept as they are in the database, the keys sealed: ``private/served-MODULE.json``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors.store import RowDamaged
from agent.store.connection import UNDECODABLE
from agent.store.schema import EXPECTED, check
from agent.store.values import mapping
from agent.system.layout import Layout
from agent.system.trust import read_regular
from agent.system.writing import flush_directory, replace

if TYPE_CHECKING:
    from agent.model.deployment import Generation
    from agent.store.database import Store

LARGEST = 64 * 1024 * 1024
PREFIX, SUFFIX = "served-", ".json"
OF_MODULE = "module:"
"""What the owner of a module's generation begins with."""


def note_served(store: Store, generations: Iterable[Generation]) -> None:
    """Keep the chains of modules' generations that are about to be, or are in service.

    What can't be read or written is left out.
    """
    for each in generations:
        _note(store, each.owner.removeprefix(OF_MODULE), each.number, each.chains.values())
    with contextlib.suppress(OSError):
        flush_directory(store.layout.private)


def _note(store: Store, module: str, generation: int, chains: Iterable[str]) -> None:
    with contextlib.suppress(OSError, RowDamaged):
        rows = [row for chain in sorted(set(chains)) for row in store.chains.rows(chain)]
        text = json.dumps({"generation": generation, "chains": [_written(row) for row in rows]})
        replace(store.layout.private / f"{PREFIX}{module}{SUFFIX}", text.encode(), mode=0o600, flush=False)


def note_all(store: Store) -> None:
    """Keep those that an earlier version has not kept, and drop those of modules that are gone."""
    live = live_numbers(store.layout)
    _note_where_it_differs(store, live)
    for path in store.layout.private.glob(f"{PREFIX}*{SUFFIX}"):
        if path.name[len(PREFIX) : -len(SUFFIX)] not in live:
            with contextlib.suppress(OSError):
                path.unlink()


def note_undone(store: Store, modules: Collection[str]) -> None:
    """Keep what is in service of modules whose switch was undone: what was about to be was kept before it."""
    live = live_numbers(store.layout)
    _note_where_it_differs(store, {module: live[module] for module in modules if module in live})


def _note_where_it_differs(store: Store, live: Mapping[str, int]) -> None:
    differing = [each for each in live.items() if _kept(store.layout, each[0]).get("generation") != each[1]]
    found = [store.deployments.generation(f"{OF_MODULE}{module}", number) for module, number in differing]
    note_served(store, [each for each in found if each is not None])


def served_rows(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield the rows of the chains that are in service, as far as the files fit the generations and can be read."""
    for module, number in live_numbers(layout).items():
        kept = _kept(layout, module)
        if kept.get("generation") == number:
            yield from _readable(kept)


def unknown_modules(layout: Layout) -> list[str]:
    """Return the modules with a generation in service of whose chains nothing is kept."""
    return [module for module, number in live_numbers(layout).items() if not _is_known(_kept(layout, module), number)]


def live_numbers(layout: Layout) -> dict[str, int]:
    """Return the number of the generation in service, by module."""
    found = {}
    for link in sorted(layout.modules.glob("*/live")):
        with contextlib.suppress(OSError, ValueError):
            found[link.parent.name] = int(link.readlink().name)
    return found


def contents_in_service(layout: Layout, largest: int) -> Iterator[bytes]:
    """Yield what is in the files of the generations in service, as far as they can be read and have at most `largest` bytes."""
    for live in sorted(layout.modules.glob("*/live")):
        for path in _files_below(live):
            with contextlib.suppress(OSError):
                yield read_regular(path, largest=largest)


def _files_below(directory: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(directory.rglob("*"))
    return []


def last_numbers(layout: Layout) -> Iterator[tuple[str, int]]:
    """Yield each owner of generations, with the highest number that a directory has."""
    for kind, directory in (("module", layout.modules), ("service", layout.services)):
        for owner in sorted(directory.glob("*/")):
            numbers = [int(each.name) for each in owner.iterdir() if each.name.isdecimal()]
            if numbers:
                yield f"{kind}:{owner.name}", max(numbers)


def _kept(layout: Layout, module: str) -> dict[str, Any]:
    try:
        return mapping(read_regular(layout.private / f"{PREFIX}{module}{SUFFIX}", largest=LARGEST).decode())
    except (OSError, ValueError, RecursionError):
        return {}


def _is_known(kept: Mapping[str, Any], number: int) -> bool:
    rows = kept.get("chains")
    return kept.get("generation") == number and isinstance(rows, list) and len(list(_readable(kept))) == len(rows)


def _readable(kept: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, without those of another shape: somebody has changed it, or a later version has written it."""
    rows = kept.get("chains")
    for row in rows if isinstance(rows, list) else ():
        with contextlib.suppress(*UNDECODABLE):
            yield _read(row)


def _written(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "sealed_key": row["sealed_key"].hex()}


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {**row, "sealed_key": bytes.fromhex(row["sealed_key"])}
    check("chains", dict.fromkeys(EXPECTED["chains"]) | found)
    return found
