"""Entry points of the commands `chainwright` and `config-apply`.

They are in this package because its name belongs to the distribution alone: `agent` and `plugins` are names that another
distribution may install as well, and then nothing below them can be relied on.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

PACKAGES = {"agent": "The core of Chainwright.", "plugins": "The plugins that come with Chainwright."}
"""Packages of the distribution that have common names, each with the beginning of its docstring."""
FOREIGN = """\
Error: {} is not Chainwright's package "{}": another distribution has taken its place.
    Nothing was done. Uninstall that distribution and install chainwright again, each in an environment of its own.
"""
MISSING = """\
Error: Chainwright's package "{}" is missing.
    Nothing was done. Install chainwright again.
"""


def main() -> int:
    """Run `chainwright` with the arguments of the process and return its exit code."""
    if problem := broken_installation():
        return _refuse(problem)
    from agent.cli import main as run

    return run()


def config_apply() -> int:
    """Run `config-apply`, which is `chainwright apply`, and return its exit code."""
    if problem := broken_installation():
        return _refuse(problem)
    from agent.cli import config_apply as run

    return run()


def broken_installation() -> str:
    """Return what is wrong with the first of `PACKAGES` that is not the distribution's; empty: nothing.

    No package is imported before it is known whose it is.
    """
    ours = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib takes long to import
    for name, beginning in PACKAGES.items():
        spec = PathFinder.find_spec(name)
        if spec is None:
            return MISSING.format(name)
        found = os.path.realpath(spec.origin or next(iter(spec.submodule_search_locations or ()), name))
        if found != os.path.join(ours, name, "__init__.py") or not _begins_with(found, f'"""{beginning}'):  # noqa: PTH118
            return FOREIGN.format(found, name)
    return ""


def _begins_with(path: str, text: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
        return file.read(len(text)) == text


def _refuse(problem: str) -> int:
    sys.stderr.write(problem)
    return 1
