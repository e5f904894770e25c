"""A new plugin: a project that can be installed, and passes its own test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors.usage import PluginNameRefused, ProjectExists, ProjectUnwritable
from agent.model.plugin_kind import PluginKind
from agent.registry.contract_checks import NAME, NAME_RULE
from agent.registry.discovery import candidates
from agent.rendering.template_places import built_in_directory
from agent.system.layout import Layout
from agent.system.release import version

TEMPLATES = "new_plugin"
ENDS = re.compile(r"[a-z](.*[a-z0-9])?")
"""A class and a distribution are called after it."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """What differs by the kind."""

    templates: Mapping[str, str]
    """Template of a template -> its name in the project; ``NAME``: that of the plugin."""
    settings: str
    """Table of the test, as Python; empty: it needs none."""
    toml: str
    """What enables it."""
    next_step: str


SAMPLES: Mapping[PluginKind, _Sample] = {
    PluginKind.MODULE: _Sample(
        {"module.conf": "NAME.conf.j2"},
        '{"domain": "www.example.com"}',
        '[modules.NAME]\ndomain = "www.example.com"',
        "Put in what your service reads, how it is tested and what makes it read its files again.",
    ),
    PluginKind.SERVICE: _Sample(
        {"service.conf": "NAME.conf.j2", "site.conf": "site.conf.j2"},
        '{"sites": ["www.example.com", "shop.example.com"]}',
        '[services.NAME]\nport = 8443\n\n[modules.NAME]\nsites = ["www.example.com", "shop.example.com"]',
        "Put in what your daemon reads, how it is tested and what makes it read its files again.",
    ),
    PluginKind.SOURCE: _Sample(
        {},
        "",
        'sources = ["uploaded", "NAME", "local"]\n\n[source.NAME]\ndays = 30',
        "Have `obtain` ask your CA: until then it has the appliance's own root sign.",
    ),
    PluginKind.SOLVER: _Sample(
        {},
        '{"program": "/bin/true"}',
        '[dns.NAME]\nprogram = "/usr/local/sbin/change-dns"',
        "Have `present` and `clean_up` change your DNS: until then they call a program.",
    ),
    PluginKind.NOTIFIER: _Sample(
        {},
        "",
        '[notify.NAME]\nprefix = "certificates"',
        "Have `send` tell whom you like: until then it writes to the system's log.",
    ),
    PluginKind.POLICY: _Sample(
        {},
        "",
        '[plugins.NAME]\nmodules = ["mail"]',
        "Wrap the hooks that your rule is about: until then it has chains made with RSA keys.",
    ),
}


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """A project that was written."""

    name: str
    kind: PluginKind
    directory: Path
    files: tuple[str, ...]


def new_plugin(layout: Layout, name: str, kind: PluginKind, directory: Path | None = None) -> NewPlugin:
    """Write the project of a new plugin. Raises `PluginNameRefused`, `ProjectExists` and `ProjectUnwritable`.

    `directory`: the project's; None: one below the present one, called after the plugin.
    """
    _check_name(layout, name)
    place = (directory or Path(f"chainwright-{name}")).absolute()
    texts = _texts(name, kind)
    try:
        place.mkdir(parents=True)
    except FileExistsError as error:
        raise ProjectExists(str(place)) from error
    except OSError as error:
        raise ProjectUnwritable(str(place), (error.strerror or str(error)).lower()) from error
    try:
        for file, text in texts.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(text)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise ProjectUnwritable(str(place), (error.strerror or str(error)).lower()) from error
    return NewPlugin(name, kind, place, tuple(texts))


def _check_name(layout: Layout, name: str) -> None:
    if not NAME.fullmatch(name):
        raise PluginNameRefused(name, f"it {NAME_RULE}")
    if not ENDS.fullmatch(name):
        raise PluginNameRefused(name, "it must begin with a letter, and end with a letter or a digit")
    taken = next((each.owner for each in candidates(layout) if each.owner.plugin == name), None)
    if taken:
        raise PluginNameRefused(name, f"the plugin {taken} has that name")


def _texts(name: str, kind: PluginKind) -> dict[str, str]:
    """Return the files of a project by their paths in it."""
    package, sample = f"chainwright_{name.replace('-', '_')}", SAMPLES[kind]
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        f"{package}/__init__.py": f"{kind}.py",
        **{f"{package}/templates/{to.replace('NAME', name)}": source for source, to in sample.templates.items()},
        f"tests/test_{package.removeprefix('chainwright_')}.py": "test.py",
    }
    return {f"{package}/py.typed": "", **_rendered(sources, _values(name, package, kind, sample))}


def _values(name: str, package: str, kind: PluginKind, sample: _Sample) -> dict[str, str]:
    words = re.findall("[a-z0-9]+", name)
    return {
        "name": name,
        "package": package,
        "distribution": "-".join(["chainwright", *words]),
        "cls": "".join(word.capitalize() for word in words),
        "title": " ".join([words[0].capitalize(), *words[1:]]),
        "kind": str(kind),
        "settings": sample.settings,
        "example": sample.toml.replace("NAME", name),
        "next_step": sample.next_step,
        "version": version(),
    }


def _rendered(sources: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - it writes no page
        loader=jinja2.FileSystemLoader(built_in_directory() / TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return {file: environment.get_template(f"{source}.j2").render(values) for file, source in sources.items()}
