"""Plugins that are written for the check of plugins, and what it tells of them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from chainwright.testing import CheckReport

IMPORTS = """\
import itertools, random, socket, subprocess, time, uuid
from datetime import timedelta
from pathlib import Path
from chainwright import *

"""
MODULE = """\
class Box(Module):
    '''A box.'''

    name = "box"
    files = (ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)), Text(path="box.conf", text="# box"))
    reload = ("box-reload",)

    def declare_needs(self, host):
        return [self.need("box.lan")]

    def probes(self, context):
        return [Endpoint(port=443, server_name="box.lan", slot=slot) for slot in context.chains]

"""
REGISTERED = """\

@hookimpl
def register_modules():
    return [Box]
"""


def written(directory: Path, text: str, name: str = "box") -> Path:
    path = directory / f"{name}.py"
    path.write_text(text)
    return path


def module(directory: Path, body: str) -> Path:
    """Write a good module, with methods and attributes in place of its own."""
    lines = "".join(f"    {line}\n" if line else "\n" for line in dedent(body).splitlines())
    return written(directory, f"{IMPORTS}{MODULE}{lines}{REGISTERED}")


def told(report: CheckReport) -> list[str]:
    """Return what is wrong, each with the text of the line that it is about."""
    found = [f"{line_at(fault.place)} -> {fault.problem.cause}" for fault in report.faults]
    return [re.sub(r"\b[0-9a-f]{12}\b", "ID", each) for each in found]


def line_at(place: str) -> str:
    file, _, number = place.rpartition(":")
    return Path(file).read_text().splitlines()[int(number) - 1].strip() if file and Path(file).exists() else place
