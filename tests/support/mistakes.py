"""Mistakes that authors of plugins make: rows of the tables in ``tests/registry/mistakes``, as sources of whole plugins.

A row begins with ``### NAME``. Lines ``WORD: VALUE`` follow, an empty line, and what the plugin of that table's kind has: a
class body, or all of it. ``# <-`` marks the line that has to be named. What is said of it stands in ``said`` lines: ``FILE`` is
the plugin, ``LINE`` the marked line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import indent

from support.paths import TESTS

TABLES = TESTS / "registry" / "mistakes"
MARK = "# <-"
IMPORTS = """\
import dataclasses, json, os, sys, time
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar; from pydantic import Field, model_validator
from chainwright import ChainFile, Command, DnsSolver, Due, Endpoint, Module, Notifier, Offer, Part, Service, Signal, Source
from chainwright import Template, Text, hookimpl
"""
MODULE = '''\
class Bad(Module):
    """Bad."""
    name = "NAME"
    files = (ChainFile(path="bad.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    reload = ("true",)
    confirm = ("true",)
    def declare_needs(self, host):
        return [self.need("NAME.bad.test")]
'''
REGISTERED = """
@hookimpl
def register_modules():
    return [Bad]
"""
SOURCE = '''\
class Bad(Source):
    """Bad."""
    name = "NAME"
    def offers(self, request, state):
        return Offer(serves=True)
    def due(self, request, state, now):
        return Due(at=now, reason="there is none yet")
    def obtain(self, request, session):
        return session.issue(request, timedelta(days=30))
'''
SERVICE = '''\
class Daemon(Service):
    """Bad daemon."""
    name = "NAME"
    def reload_command(self, context):
        return Command(("true",))
    def confirm_command(self, context):
        return Command(("true",))
'''
NOTIFIER = '''\
class Bad(Notifier):
    """Bad."""
    name = "NAME"
    def send(self, event, context):
        pass
'''
SOLVER = '''\
class Bad(DnsSolver):
    """Bad."""
    name = "NAME"
    def present(self, name, value):
        pass
    def clean_up(self, name, value):
        pass
'''
REGISTERED_SOURCE = REGISTERED.replace("modules", "sources")
REGISTERED_SERVICE = REGISTERED.replace("modules", "services").replace("Bad", "Daemon")
ON_SERVICE = MODULE.replace('reload = ("true",)', 'services = ("NAME",)').replace(
    'confirm = ("true",)', 'unprobed = "a test"'
)
EMPTY_TABLE = "[modules.NAME]\n"


@dataclass
class Kind:
    """What surrounds the rows of one table."""

    before: str
    after: str = ""
    body: bool = False
    """The rows are bodies of a class."""
    settings: str = EMPTY_TABLE
    ladder: str = '"uploaded", "local"'


KINDS = {
    "declared": Kind(IMPORTS + MODULE, REGISTERED, body=True),
    "asked": Kind(IMPORTS + MODULE, REGISTERED, body=True),
    "hostile": Kind(IMPORTS + MODULE, REGISTERED, body=True),
    "sources": Kind(
        IMPORTS + SOURCE,
        REGISTERED_SOURCE,
        body=True,
        settings="",
        ladder='"NAME", "uploaded", "local"',
    ),
    "services": Kind(IMPORTS + SERVICE, REGISTERED_SERVICE + ON_SERVICE + REGISTERED, body=True),
    "notifiers": Kind(
        IMPORTS + NOTIFIER,
        REGISTERED.replace("modules", "notifiers"),
        body=True,
        settings="[plugins.NAME]\n[notify.NAME]\n",
    ),
    "solvers": Kind(
        IMPORTS + SOLVER,
        REGISTERED.replace("modules", "dns_solvers"),
        body=True,
        settings="[plugins.NAME]\n[dns.NAME]\n",
    ),
    "packages": Kind(IMPORTS + MODULE, REGISTERED, body=True),
    "wrapping": Kind(IMPORTS + MODULE + REGISTERED),
    "plugins": Kind(""),
    "policies": Kind("", settings="[plugins.NAME]\n"),
}


@dataclass
class Mistake:
    """One row."""

    kind: str
    title: str
    words: dict[str, str]
    code: str
    said: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the plugin, and of its module."""
        return re.sub(r"[^a-z0-9]+", "_", self.title.lower())[:60]

    @property
    def source(self) -> str:
        """The plugin."""
        kind = KINDS[self.kind]
        code = self.code.replace("MODULE", IMPORTS + MODULE + REGISTERED)
        made = kind.before + (indent(code, "    ") if kind.body else code) + kind.after
        return made.replace("NAME", self.name)

    @property
    def line(self) -> int:
        """The line that is marked; 0: none is."""
        return next((number for number, line in enumerate(self.source.splitlines(), 1) if MARK in line), 0)

    def __str__(self) -> str:
        words = [f"{name}: {value}".rstrip(": ") for name, value in self.words.items()]
        return "\n".join(
            [f"### {self.title}", *words, *(f"said: {each}" for each in self.said), "", self.code.strip("\n")]
        )


def mistakes(kind: str) -> list[Mistake]:
    """Read one table."""
    _, *rows = re.split(r"^### ", (TABLES / f"{kind}.txt").read_text(), flags=re.MULTILINE)
    return [_mistake(kind, row) for row in rows]


def write(kind: str, rows: list[Mistake]) -> None:
    """Write one table with what was said."""
    path = TABLES / f"{kind}.txt"
    heading = path.read_text().partition("\n\n")[0]
    path.write_text("\n\n".join([heading, *map(str, rows)]) + "\n")


def _mistake(kind: str, row: str) -> Mistake:
    head, _, code = row.partition("\n\n")
    title, *lines = head.splitlines()
    pairs = [line.partition(": ")[::2] for line in lines]
    words = {name: value for name, value in pairs if name != "said"}
    return Mistake(kind, title, words, code, [value for name, value in pairs if name == "said"])
