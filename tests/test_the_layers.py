"""The house: imports point only downwards, plugins stand outside, and what is heavy is imported when it is used."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import agent
import chainwright
import plugins

ROOMS = (
    *(
        "cli",
        "demo",
        "daemon",
        "api",
        "backup",
        "testing",
        "operations",
        "engine",
        "report",
        "health",
        "deploy",
        "sources",
        "planning",
        "dns",
        "probing",
        "rendering",
    ),
    *("auth", "store", "config", "registry", "contract", "model", "inspection", "crl", "pki", "system", "errors"),
)
"""From above to below: a file imports from its own room and those after it. A new room gets its place here."""

FRONT_DOORS = {"__main__": "cli", "hookspecs": "contract"}
"""The only files beside the rooms, and the rooms that they belong to."""

RANK = {name: rank for rank, name in enumerate(ROOMS)} | {
    door: rank for door, room in FRONT_DOORS.items() for rank in [ROOMS.index(room)]
}
CORE = Path(next(iter(agent.__path__)))
PLUGINS = Path(next(iter(plugins.__path__)))

HEAVY = {
    "cryptography": {
        *(
            "agent.pki.certificate",
            "agent.pki.certificate_checks",
            "agent.pki.client_warnings",
            "agent.pki.cross",
            "agent.pki.distinguished_names",
            "agent.pki.judge",
            "agent.pki.name_constraints",
            "agent.pki.parser_errors",
            "agent.pki.path",
            "agent.pki.private_key",
            "agent.pki.profile",
            "agent.pki.second_opinions",
            "agent.pki.signing_request",
            "agent.inspection",
        ),
        *("agent.crl.checking", "agent.crl.revocation_list"),
        *(f"agent.inspection.{path.stem}" for path in (CORE / "inspection").glob("*.py") if path.stem != "__init__"),
    },
    "sqlite_utils": {"agent.store.migrations"},
    "idna": {"agent.engine.dns_publishing"},
    "jinja2": {"agent.rendering.sandbox", "agent.rendering.template_loader"},
    "acme": set(),
    "josepy": set(),
    "requests": set(),
    "dns": {"agent.engine.dns_publishing"},
    "starlette": set(),
    "uvicorn": set(),
}
"""What takes long to import, and the modules that do so at once: they are themselves imported when they are used."""
WITHOUT_PYDANTIC = (
    *("cli", "errors", "health", "report", "store", "engine.freshness", "model.need", "model.records"),
    *("pki.chain", "system.layout", "system.names"),
)
"""A run that has nothing to do, and a status, get along with these."""


def dotted(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")


LIGHT = {f"agent.sources.acme{name}" for name in ("", ".limit_rules", ".renewal_info", ".source", ".steps", ".values")}
ON_DEMAND = {
    dotted(path, CORE) for place in ("sources/acme", "api", "dns") for path in (CORE / place).rglob("*.py")
} - LIGHT
"""The protocol, and DNS: imported when a CA is asked, with all that they need. The local API: a process of its own."""
MODULES = {dotted(path, CORE): path for path in sorted(CORE.rglob("*.py"))}
OUTSIDE = {dotted(path, PLUGINS): path for path in sorted(PLUGINS.rglob("*.py"))}


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a file, those things inside functions too, but for what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from statements(node)


@cache
def imported(path: Path, *, types: bool = True) -> frozenset[str]:
    """Return the modules of `agent` and `plugins` that a file imports, wherever in it; without `types`: those that run."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if types else statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name for name in found if name.split(".")[0] in {"agent", "chainwright", "plugins"}}
    return frozenset(module for name in ours if (module := home(name)))


def home(name: str) -> str:
    """Return the module in which an imported name stands."""
    while name not in MODULES and name not in OUTSIDE and name != "chainwright" and "." in name:
        name = name.rpartition(".")[0]
    return name


def noun(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_file_lies_in_a_room():
    assert {noun(module) for module in MODULES} - {""} == {*ROOMS, *FRONT_DOORS}
    beside = {path.stem for path in CORE.glob("*.py")} - {"__init__"}
    assert beside == set(FRONT_DOORS)


@pytest.mark.parametrize("module", [module for module in MODULES if module != "agent"])
def test_imports_point_only_downwards(module: str):
    upwards = [
        other
        for other in imported(MODULES[module])
        if other.startswith("agent.") and RANK[noun(other)] < RANK[noun(module)]
    ]
    assert upwards == []


def test_no_file_needs_itself_in_a_roundabout_way():
    between: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        between.setdefault(noun(module), set()).update(noun(other) for other in imported(path))
    graphlib.TopologicalSorter({name: others - {name, ""} for name, others in between.items() if name}).prepare()
    files = {module: imported(path, types=False) - {module} for module, path in MODULES.items() if module != "agent"}
    graphlib.TopologicalSorter(files).prepare()


def test_the_core_knows_no_plugin_but_for_the_command_that_starts_one():
    known = {
        module: [other for other in imported(path) if other.startswith("plugins")] for module, path in MODULES.items()
    }
    assert {module: others for module, others in known.items() if others} == {
        "agent.cli.webui": ["plugins.webui.process"]
    }


OF_THE_CORE = {"plugins.webui": {"agent.api.connection_limit", "agent.api.listener", "agent.api.uvicorn_server"}}
"""What a built-in plugin takes of the core besides the public API: one has a server, which follows uvicorn."""


@pytest.mark.parametrize("module", OUTSIDE)
def test_plugins_import_the_public_api_and_themselves_only(module: str):
    own = ".".join(module.split(".")[:2])
    allowed = {"chainwright", *OF_THE_CORE.get(own, ())}
    foreign = [
        other for other in imported(OUTSIDE[module]) if other not in allowed and not (other + ".").startswith(own + ".")
    ]
    assert foreign == []


def loaded(modules: list[str], heavy: list[str]) -> list[str]:
    """Return which of `heavy` are there after importing `modules` in a new process."""
    return loaded_each([], [modules], heavy)[0]


def loaded_each(first: list[str], imports: list[list[str]], heavy: list[str]) -> list[list[str]]:
    """Return which of `heavy` are there after each of `imports`, in a process of its own that has `first` already."""
    script = (
        "import importlib, json, os, sys\n"
        "first, imports, heavy = json.load(sys.stdin)\n"
        "for module in first: importlib.import_module(module)\n"
        "for modules in imports:\n"
        "    if not (child := os.fork()):\n"
        "        for module in modules: importlib.import_module(module)\n"
        "        print(json.dumps([name for name in heavy if name in sys.modules]), flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    asked = json.dumps([first, imports, heavy])
    said = subprocess.run([sys.executable, "-c", script], input=asked, capture_output=True, text=True, check=True)
    assert len(said.stdout.splitlines()) == len(imports), said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def light(heavy: list[str]) -> list[str]:
    """Return the modules that import none of `heavy`."""
    users = {user for each in heavy for user in HEAVY[each]}
    return [module for module in MODULES if module not in users | ON_DEMAND | {"agent.__main__"}]


def test_what_is_heavy_is_not_imported_before_it_is_used():
    imports = [light([heavy]) for heavy in HEAVY]
    for heavy, found in zip(HEAVY, loaded_each(light([*HEAVY]), imports, [*HEAVY]), strict=True):
        assert heavy not in found


def test_what_is_said_to_be_heavy_is():
    """Each is imported by a process that has what is light: that has loaded nothing heavy, as the test above says."""
    users = [(heavy, user) for heavy, users in HEAVY.items() for user in users]
    found = loaded_each(light([*HEAVY]), [[user] for _, user in users], [*HEAVY])
    assert [(heavy, user) for (heavy, user), there in zip(users, found, strict=True) if heavy not in there] == []


def test_a_run_with_nothing_to_do_imports_neither_pydantic_nor_pluggy():
    names = [f"agent.{name}" for name in WITHOUT_PYDANTIC]
    assert loaded(names, ["pydantic", "pluggy", "click", "asyncio", "ssl"]) == []


def test_the_public_api_is_there_and_loads_nothing_until_it_is_named():
    assert loaded(["chainwright"], ["agent", "typing", "pydantic"]) == []
    assert [name for name in chainwright.__all__ if getattr(chainwright, name) is None] == []
