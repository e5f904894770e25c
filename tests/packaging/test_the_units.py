"""The systemd units: systemd takes every line, and they agree with what the programs do."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from agent.cli.program import COMMANDS
from agent.daemon.pass_supervisor import STOP_SECONDS
from agent.daemon.supervisor import TICK
from agent.system.layout import Layout
from agent.system.modes import places_of_state
from plugins.webui import WebUI
from plugins.webui.service import PID_FILE, WebUIService
from support.paths import CHECKOUT

UNITS = sorted((CHECKOUT / "packaging/systemd").glob("*.service"))
NAMES = [unit.name for unit in UNITS]
LOOSEST = {"chainwright.service": 30, "chainwright-boot.service": 30, "chainwright-web.service": 15}
"""Ten times the exposure that `systemd-analyze security` may find."""
LAYOUT = Layout(Path("/"))
SANDBOX = r"Limit|Memory|OOM|Tasks|UMask|Protect|Proc|Private|Capab|Lock|NoNew|Restrict(?!$)|SystemCall|IPAddress"


def read(name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(next(unit for unit in UNITS if unit.name == name).read_text())
    return parser["Service"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory with the units as they are, but for a program that is on every machine."""
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/local/sbin/chainwright", "/bin/true"))
    return tmp_path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_every_line(installed: Path) -> None:
    done = analyze("verify", *sorted(installed.iterdir()))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_may_do_little_that_it_does_not_need(installed: Path, name: str) -> None:
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={LOOSEST[name]}", installed / name)
    assert done.returncode == 0, done.stdout


def test_what_is_tried_at_boot_may_do_what_it_may_later() -> None:
    """A service's own test would refuse at boot what it takes later, and the next try would be a minute away."""
    shut = {"IPAddressDeny": ["any"], "IPAddressAllow": ["localhost"]}
    assert sandbox("chainwright-boot.service") == {**sandbox("chainwright.service"), **shut}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_a_process_s_memory_is_never_in_a_core_and_it_may_not_take_all_of_the_machine(name: str) -> None:
    settings = sandbox(name)
    assert settings["LimitCORE"] == ["0"]
    assert {"MemoryMax", "TasksMax", "NoNewPrivileges", "UMask", "ProtectProc"} <= set(settings)


def sandbox(name: str) -> dict[str, list[str]]:
    """Return what a unit takes away from its processes, each setting with all its lines."""
    text = next(unit for unit in UNITS if unit.name == name).read_text()
    found: dict[str, list[str]] = {}
    for key, value in re.findall(
        r"^(\w+)=(.*)$", text.partition("[Service]")[2].partition("[Install]")[0], re.MULTILINE
    ):
        if re.match(SANDBOX, key):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_calls_a_command_that_there_is(name: str) -> None:
    program, command = read(name)["ExecStart"].split()
    assert program == "/usr/local/sbin/chainwright"
    assert command in COMMANDS


@pytest.mark.parametrize("name", ["chainwright.service", "chainwright-boot.service"])
def test_systemd_makes_the_directories_with_the_modes_that_the_agent_gives_them(name: str) -> None:
    service = read(name)
    assert Path("/var/lib", service["StateDirectory"]) == LAYOUT.state
    assert Path("/run", service["RuntimeDirectory"]) == LAYOUT.run
    assert Path("/var/log", service["LogsDirectory"]) == LAYOUT.log
    own = {place.path: place.mode for place in places_of_state(LAYOUT)}
    for kind, path in (("State", LAYOUT.state), ("Runtime", LAYOUT.run), ("Logs", LAYOUT.log)):
        assert int(service[f"{kind}DirectoryMode"], 8) == own[path], "the agent would take it for somebody's change"
    assert service["RuntimeDirectoryPreserve"] == "yes", "the lock and the sockets of services stand there"


def test_the_web_interface_runs_as_the_user_that_its_files_are_for() -> None:
    service = read("chainwright-web.service")
    user = WebUI.model_fields["run_as"].default
    assert (service["User"], service["Group"]) == (user, user)
    assert Path("/run", service["RuntimeDirectory"]) == Path(PID_FILE).parent
    assert f"{WebUIService.model_fields['unit'].default}.service" in NAMES


def test_stopping_the_agent_lets_it_end_its_pass_and_leaves_none_of_its_processes() -> None:
    service = read("chainwright.service")
    assert service["KillMode"] == "mixed"
    minutes = re.fullmatch(r"(\d+)min", service["TimeoutStopSec"])
    assert minutes is not None
    assert int(minutes[1]) * 60 > STOP_SECONDS


def test_the_watchdog_is_more_patient_than_the_loop() -> None:
    minutes = re.fullmatch(r"(\d+)min", read("chainwright.service")["WatchdogSec"])
    assert minutes is not None
    assert int(minutes[1]) * 60 > 2 * TICK


def test_services_start_after_their_files_are_there() -> None:
    text = next(unit for unit in UNITS if unit.name == "chainwright-boot.service").read_text()
    assert re.search(r"^Before=.*\bbasic\.target\b", text, re.MULTILINE)
    assert "DefaultDependencies=no" in text
    assert "WantedBy=basic.target" in text
