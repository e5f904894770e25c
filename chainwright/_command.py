"""Entry points of the commands `chainwright` and `config-apply`.

They are in this package because its name belongs to the distribution alone: `agent` and `plugins` are names that another
distribution may install as well, and then nothing below them can be relied on.
"""

from __future__ import annotations

import os
import sys

PACKAGES = {"agent": "The core of Chainwright.", "plugins": "The plugins that come with Chainwright."}
"""The packages of the distribution that have common names, each with the beginning of its docstring."""


def main() -> int:
    """Run `chainwright` with the arguments of the process and return its exit code."""
    foreign = foreign_package()
    if foreign:
        return _refuse(foreign)
    from agent.cli import main as run

    return run()


def config_apply() -> int:
    """Run `config-apply`, which is `chainwright apply`, and return its exit code."""
    foreign = foreign_package()
    if foreign:
        return _refuse(foreign)
    from agent.cli import config_apply as run

    return run()


def foreign_package() -> str:
    """Return the path of the first of `PACKAGES` that is another distribution's, or its name where it is missing."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes long to import
    for name, beginning in PACKAGES.items():
        try:
            package = __import__(name)
        except ImportError:
            return name
        file = getattr(package, "__file__", None) or name
        place = os.path.dirname(os.path.dirname(os.path.abspath(file)))  # noqa: PTH100, PTH120
        if place != ours or not (package.__doc__ or "").startswith(beginning):
            return file
    return ""


def _refuse(package: str) -> int:
    sys.stderr.write(
        f"chainwright: {package} is not the package of Chainwright: another distribution has taken its place.\n"
        "    Nothing was done. Uninstall that distribution, or install chainwright in an environment of its own.\n"
    )
    return 1
