"""Rendering in another process, whose sets and dictionaries of names have another order: `rendered.py ROOT PLUGIN`.

It prints what each module is given for its sample chains, as JSON. `PLUGIN` is the path of a file or package, or the name of
what is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.engine.pass_inputs import read_pass_inputs
from agent.system.layout import Layout
from agent.testing.module_checks import resolved, samples, texts_of
from agent.testing.plugin_under_test import CheckLoader, found_plugin, loader_of

SEEDS = ("1", "2")
"""Of the hashes of texts. Two names in a set have the same order in half of all processes."""
SECONDS = 60.0

Texts = Mapping[str, Mapping[str, str]]
"""Module and sample -> path -> text."""


def texts(layout: Layout, plugin: str) -> Texts:
    """Return what the modules of an appliance render for their sample chains."""
    given = found_plugin(Path(plugin))[1] if Path(plugin).is_absolute() else []
    enabled = read_pass_inputs(layout, None, loader=CheckLoader(loader_of(given), object())).enabled
    found = {}
    for name, module in enabled.modules.items():
        needs = enabled.hooks.declare_needs(module, enabled.host)
        asking = resolved(enabled, name, enabled.hooks.names_to_resolve(module, enabled.host))
        for sample in samples(needs):
            found[f"{name} {sample.words}"] = texts_of(asking.render(name, sample.chains))
    return found


class Elsewhere:
    """Renderings that other processes make meanwhile."""

    def __init__(self, root: Path, plugin: str) -> None:
        argv = [sys.executable, "-m", "agent.testing.rendered", str(root), plugin]
        self._processes = [
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONHASHSEED": seed},
            )
            for seed in SEEDS
        ]

    def results(self) -> Iterator[Texts]:
        """Yield what they have rendered; what fails there fails here as well, and is told of."""
        for process in self._processes:
            output, _ = process.communicate(timeout=SECONDS)
            if process.returncode == 0:
                found: Texts = json.loads(output)
                yield found

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.communicate()


def main() -> None:
    """Run as the command line says."""
    json.dump(texts(Layout(Path(sys.argv[1])), sys.argv[2]), sys.stdout)


if __name__ == "__main__":
    main()
