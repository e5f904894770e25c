"""`chainwright plugins check`: with the settings of the appliance, and without touching it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.appliances.deployed import Deployed
from support.clients.terminal import Terminal
from support.paths import THIRD_PARTY

CURE = "Return a Command, a file or an Endpoint, which the core runs, writes or looks at, then: chainwright plugins check NAME"


def on_disk(root: Path) -> dict[str, tuple[int, int]]:
    found = {str(path): path.lstat() for path in root.rglob("*")}
    return {path: (status.st_mtime_ns, status.st_size) for path, status in found.items()}


def test_a_plugin_in_service_is_checked_and_nothing_of_it_is_touched(tunnel: Deployed):
    before = on_disk(tunnel.root)
    done = Terminal(tunnel.root).run("plugins", "check", "tunnel")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith('The plugin "tunnel" is good: ')
    assert on_disk(tunnel.root) == before


@pytest.fixture
def terminal(appliance: Deployed) -> Terminal:
    appliance.drop_in("tunnel")
    appliance.settings("")
    return Terminal(appliance.root)


def test_a_faulty_plugin_is_told_with_its_line_and_a_cure(terminal: Terminal, appliance: Deployed):
    file = appliance.layout.plugins / "tunnel.py"
    opening = 'open("/etc/passwd").close()'
    good = (THIRD_PARTY / "tunnel.py").read_text()
    file.write_text(good.replace("return [self.need(", f"{opening}\n        return [self.need("))
    appliance.settings('[modules.tunnel]\ndomain = "t.lan"\n')
    done = terminal.run("plugins", "check", "tunnel")
    assert (done.returncode, done.stderr) == (1, "")
    number = file.read_text().splitlines().index(f"        {opening}") + 1
    assert done.stdout.splitlines()[:-1] == [
        f"{file}:{number}: declare_needs opens /etc/passwd: a hook declares, and does no input or output.",
        f"    {CURE}",
        "Not checked: a deployment, until these faults are mended",
    ]
    assert done.stdout.splitlines()[-1].startswith('The plugin "tunnel" has 1 fault; ')
    row = terminal.json("plugins", "check", "tunnel")
    assert (row["plugin"], row["ok"], row["left_out"]) == (
        "tunnel",
        False,
        ["a deployment, until these faults are mended"],
    )
    assert row["faults"] == [
        {
            "check": "tunnel: declare_needs",
            "code": "check.hook_acts",
            "cause": "declare_needs opens /etc/passwd: a hook declares, and does no input or output.",
            "fix": CURE,
            "detail": "",
            "place": f"{file}:{number}",
        }
    ]


def test_what_the_settings_have_nothing_for_is_said_to_be_left_out(terminal: Terminal):
    done = terminal.run("plugins", "check", "tunnel")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Not checked: what needs settings, as this appliance has none for it ([modules.tunnel] domain: is missing)",
        'The plugin "tunnel" is good: 2 checks.',
    ]


def test_a_broken_plugin_is_told(terminal: Terminal, appliance: Deployed):
    (appliance.layout.plugins / "broken.py").write_text("import nowhere\n")
    done = terminal.run("plugins", "check", "broken")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == (
        f"{appliance.layout.plugins}/broken.py:1: Its import failed: ModuleNotFoundError: No module named 'nowhere'."
    )


def test_commands_that_can_not_be_registered_are_a_fault(terminal: Terminal, appliance: Deployed):
    (appliance.layout.plugins / "adding.py").write_text(
        "from chainwright import hookimpl\n@hookimpl\ndef register_commands(commands):\n    commands.nonsense()\n"
    )
    done = terminal.run("plugins", "check", "adding")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == (
        f"{appliance.layout.plugins}/adding.py:4: Its register_commands failed: "
        "AttributeError: 'Group' object has no attribute 'nonsense'."
    )


def test_an_unknown_name_is_a_usage_error(terminal: Terminal):
    done = terminal.run("plugins", "check", "tunel")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        'Error: There is no plugin "tunel". Did you mean "tunnel"?',
        "See all: chainwright plugins",
    ]
