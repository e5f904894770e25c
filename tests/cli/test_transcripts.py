"""What a person types and reads: each file of `tests/cli/` is a session on one appliance.

``$`` is typed, ``%`` happens on the appliance, ``[exit N]`` is the exit code where it isn't 0; stderr stands where it came.
Whatever differs from run to run is replaced. ``GOLDEN=write pytest`` writes the files anew.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.appliances.deployed import Deployed
from support.clients.terminal import PATIENCE, PROGRAM
from support.ports import free_port
from support.processes import prepared

SESSIONS = sorted(Path(__file__).parent.glob("*.txt"))
REPLACED = (
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\b[0-9a-f]{32,40}\b", "<hex>"),
    (r"\b[0-9a-f]{12}\b", "<id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"\b20\d\d-\d\d-\d\d\b", "<date>"),
    (r"\bin \d+ (second|minute)s?\b", r"in <n> \1s"),
    (r"\b(\d+ seconds? ago|now)(?=$|:)", "just now"),
)


def happens(appliance: Deployed) -> dict[str, Callable[[], object]]:
    """Return what a session may let happen, by its sentence."""
    layout = appliance.layout
    override = layout.templates / "tunnel" / "toyd.conf.j2"

    def settings(text: str = "") -> None:
        table = f'[modules.tunnel]\nport = {appliance.port}\ndomain = "t.example.test"\n'
        appliance.settings(f'hostname = "gw"\n[probe]\ntimeout = 3\n{table}{text}')

    def write_template() -> None:
        override.parent.mkdir(parents=True, exist_ok=True)
        override.write_text("listen {{ module.port }}\nnonsense\n")

    return {
        "the settings name a tunnel": settings,
        "the settings have two mistakes": lambda: settings('prot = 1\n[modules.tunel]\nport = "x"\n'),
        "the tunnel is another one": lambda: layout.settings.write_text(
            layout.settings.read_text().replace("t.example", "u.example")
        ),
        "the plugin of the tunnel is installed": lambda: appliance.drop_in("tunnel"),
        "the plugin of the tunnel breaks": lambda: (layout.plugins / "tunnel.py").write_text("import nothing_at_all\n"),
        "toyd starts": lambda: appliance.start("toyd", layout.module("tunnel").live / "toyd.conf"),
        "toyd stops": lambda: appliance.stop("toyd"),
        "toyd ignores reloads": lambda: appliance.control("toyd").write_text("ignore"),
        "toyd reloads again": lambda: appliance.control("toyd").unlink(),
        "a template is overridden, wrongly": write_template,
        "the template is removed": override.unlink,
    }


def typed(appliance: Deployed, line: str) -> str:
    """Run a line and return what it prints."""
    program, *arguments = shlex.split(line)
    assert program == "chainwright"
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = prepared.run([*PROGRAM[1:], *arguments], timeout=PATIENCE, env=unbuffered, cwd=appliance.root, together=True)
    output = done.stdout if done.returncode == 0 else f"{done.stdout}[exit {done.returncode}]\n"
    return replaced(output, appliance)


def replaced(text: str, appliance: Deployed) -> str:
    text = text.replace(str(appliance.root), "ROOT").replace(str(appliance.port), "PORT")
    text = re.sub(r"^Without root: .*\n", "", text, flags=re.MULTILINE)
    for pattern, word in REPLACED:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def played(appliance: Deployed, session: str) -> Iterator[str]:
    """Yield the session as it really goes."""
    events = happens(appliance)
    for line in session.splitlines():
        if line.startswith("$ "):
            yield f"{line}\n{typed(appliance, f'{line[2:]} --root .')}"
        elif line.startswith("% "):
            events[line[2:]]()
            yield f"{line}\n"
        else:
            yield f"{line}\n"


def outline(session: str) -> str:
    """Return a session without what was printed."""
    return "\n".join(line for line in session.splitlines() if line.startswith(("$ ", "% ", "# ")))


@pytest.mark.parametrize("session", SESSIONS, ids=lambda path: path.stem)
def test_a_session_goes_as_it_is_written(session: Path, appliance: Deployed):
    appliance.port = free_port()
    written = session.read_text()
    seen = "".join(played(appliance, outline(written)))
    if os.environ.get("GOLDEN") == "write":
        written = seen
        session.write_text(seen)
    assert seen == written
