"""Scripts of acme.sh (`dnsapi`) by the solver `command`: a real one, and those that leave, start or print what they shouldn't."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.dns.solver_context import SolverContext
from agent.errors import AgentError
from chainwright import TxtRecord
from plugins.dns_command.acme_sh import PREFIX, locked, remove_left
from plugins.dns_command.solver import CommandSolver
from support.fakes.source_context import utc_now
from support.paths import CHECKOUT
from support.servers.zones import Zones
from support.waiting import until

ACME_SH = CHECKOUT / ".test/acme_sh_sid/usr/share/acme.sh"
ONE, TWO = "1" * 43, "2" * 43
SECRET = "s3cret-Token&more"
Scripted = Callable[..., CommandSolver]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Where homes are made."""
    made = tmp_path / "run/chainwright"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def context(tmp_path: Path, run: Path) -> SolverContext:
    """A context in which everything but `run` is the machine's own."""
    return SolverContext(lambda path: tmp_path / path[1:] if path.startswith("/run") else Path(path), utc_now)


@pytest.fixture
def scripted(tmp_path: Path) -> Scripted:
    """Return a solver with a script of one's own, beside the real acme.sh."""

    def make(add: str, **settings: object) -> CommandSolver:
        (tmp_path / "acme/dnsapi").mkdir(parents=True)
        shutil.copy(ACME_SH / "acme.sh", tmp_path / "acme")
        text = f"dns_mine_add() {{\n{add}\n}}\ndns_mine_rm() {{\n:\n}}\n"
        (tmp_path / "acme/dnsapi/dns_mine.sh").write_text(text)
        given = {"convention": "acme.sh", "script": "dns_mine", "acme_sh": str(tmp_path / "acme")}
        return CommandSolver.model_validate({**given, "environment": {"MY_Token": SECRET}, **settings})

    return make


def records(zone: str, *values: str) -> list[TxtRecord]:
    return [TxtRecord(name=f"_acme-challenge.{zone}", value=value, zone=zone, domain=zone) for value in values]


def failure(made: CommandSolver, context: SolverContext) -> tuple[str, str, str]:
    with pytest.raises(AgentError) as failed:
        made.present_all(records("a.test", ONE), context)
    problem = failed.value.problem
    return problem.cause, problem.fix, problem.detail


def nsupdate(zones: Zones, key_file: Path, **settings: object) -> CommandSolver:
    environment = {
        "NSUPDATE_SERVER": "127.0.0.1",
        "NSUPDATE_SERVER_PORT": str(zones.port),
        "NSUPDATE_KEY": str(key_file),
    }
    given = {"convention": "acme.sh", "script": "dns_nsupdate", "acme_sh": str(ACME_SH), "environment": environment}
    return CommandSolver.model_validate(given | settings)


def test_a_script_makes_records_at_a_real_server_and_leaves_no_credentials(
    context: SolverContext, zones: Zones, key_file: Path, run: Path
) -> None:
    zone = zones.add("acmesh.test")
    made = nsupdate(zones, key_file)
    made.present_all(records(zone, ONE, TWO), context)
    assert zones.bind9.txt(f"_acme-challenge.{zone}") == [ONE, TWO]
    until(lambda: zones.knot.txt(f"_acme-challenge.{zone}") == [ONE, TWO])
    made.clean_up_all(records(zone, ONE), context)
    assert zones.bind9.txt(f"_acme-challenge.{zone}") == [], "dns_nsupdate removes all TXT records of a name"
    assert [*run.iterdir()] == []


def test_a_script_that_is_refused_fails(context: SolverContext, zones: Zones, key_file: Path, run: Path) -> None:
    zone = zones.add("acmeshrefused.test")
    with zones.bind9.frozen(zone), pytest.raises(AgentError) as failed:
        nsupdate(zones, key_file).present_all(records(zone, ONE), context)
    assert failed.value.problem.cause == (
        f'The command "dns_nsupdate" did not make the TXT record of _acme-challenge.{zone}: error updating domain.'
    )
    assert "REFUSED" in failed.value.problem.detail
    assert [*run.iterdir()] == []


SAVES = """
_saveaccountconf MY_Token "$MY_Token"
_saveaccountconf_mutable MY_Token "$MY_Token"
echo "$MY_Token" >"$(_mktemp)"
stat -c '%a %n' "$LE_CONFIG_HOME" "$ACCOUNT_CONF_PATH" >{log}
grep -r -l -F "$MY_Token" "$LE_CONFIG_HOME" | sort >>{log}
"""


def test_credentials_that_a_script_saves_are_readable_for_nobody_else_and_gone_afterwards(
    context: SolverContext, scripted: Scripted, tmp_path: Path, run: Path
) -> None:
    made = scripted(
        SAVES.format(log=tmp_path / "log"),
        environment={
            "MY_Token": SECRET,
            "ACCOUNT_CONF_PATH": str(tmp_path / "leak"),
            "LOG_FILE": str(tmp_path / "leak"),
        },
    )
    made.present_all(records("a.test", ONE), context)
    modes, files = (tmp_path / "log").read_text().splitlines()[:2], (tmp_path / "log").read_text().splitlines()[2:]
    home = Path(modes[0].split()[1])
    assert home.parent == run
    assert modes[0].split()[0] == "700"
    assert {Path(each).parent for each in files} == {home}
    assert len(files) == 2, "account.conf and a temporary file"
    assert [*run.iterdir()] == []
    assert not (tmp_path / "leak").exists()
    found = [each for each in tmp_path.rglob("*") if each.is_file() and SECRET in each.read_text(errors="replace")]
    assert found == []


def test_a_program_that_a_script_leaves_running_is_not_waited_for_and_ended(
    context: SolverContext, scripted: Scripted, tmp_path: Path, run: Path
) -> None:
    scripted(f"sleep 3600 & echo $! >{tmp_path}/pid").present_all(records("a.test", ONE), context)
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not _is_alive(pid))
    assert [*run.iterdir()] == []


def test_a_daemon_that_left_the_group_neither_holds_up_nor_breaks_anything(
    context: SolverContext, scripted: Scripted, tmp_path: Path, run: Path
) -> None:
    daemon = f'echo $$ >{tmp_path}/pid; while mkdir -p "$HOME"; do echo x >"$HOME/more"; done'
    made = scripted(f"setsid sh -c '{daemon}' & while ! [ -s {tmp_path}/pid ]; do sleep 0.05; done")
    try:
        made.present_all(records("a.test", ONE), context)
    finally:
        os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    def next_call_removes_what_it_has_left() -> bool:
        _age(run)
        made.clean_up_all(records("a.test", ONE), context)
        return [*run.iterdir()] == []

    until(next_call_removes_what_it_has_left)


@pytest.mark.parametrize(
    ("add", "reason", "detail"),
    [
        ("sleep 60", "it took longer than 0.5 s", ""),
        ('echo "$MY_Token" >&2; return 1', "********", "********"),
        ('_err "wrong: $(printf "u:%s" "$MY_Token" | _base64)"; return 1', "wrong: ********", None),
        ('echo "GET /?t=$(printf "%s" "$MY_Token" | _url_encode)" >&2; return 1', "GET /?t=********", None),
        ("yes; return 1", "it printed more than 1048576 octets", ""),
        ("return 3", "it ended with 3", ""),
        ("dns_mine_nothing", "dns_mine_nothing: not found", None),
    ],
)
def test_a_script_has_bounds_and_its_secrets_are_hidden(
    context: SolverContext, scripted: Scripted, run: Path, add: str, reason: str, detail: str | None
) -> None:
    made = scripted(add, seconds=0.5 if "sleep" in add else 60)
    cause, fix, said = failure(made, context)
    assert cause.startswith('The command "dns_mine" did not make the TXT record of _acme-challenge.a.test: ')
    assert cause.endswith(f"{reason}.")
    assert fix == "Run it by hand with the same arguments and variables; then: chainwright renew"
    assert detail is None or said == detail
    assert SECRET not in said
    assert [*run.iterdir()] == []


def test_a_script_that_fills_the_disk_is_ended(
    context: SolverContext, scripted: Scripted, tmp_path: Path, run: Path
) -> None:
    big = tmp_path / "big"
    cause, _, _ = failure(scripted(f"cat /dev/zero >{big} || exit 4"), context)
    assert cause.startswith('The command "dns_mine" did not make the TXT record of _acme-challenge.a.test: ')
    assert big.stat().st_size <= 20480 * 512
    assert [*run.iterdir()] == []


# Homes that were left


def test_homes_of_processes_that_were_killed_are_removed_by_the_next_call(
    context: SolverContext, scripted: Scripted, run: Path
) -> None:
    old, new = (Path(tempfile.mkdtemp(prefix=PREFIX, dir=run)) for _ in range(2))
    (old / "account.conf").write_text("SAVED_TOKEN='x'\n")
    _age(run, old)
    scripted(":").present_all(records("a.test", ONE), context)
    assert [*run.iterdir()] == [new]


def test_a_home_in_use_stays_however_old_it_is(run: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=run))
    _age(run)
    with locked(home):
        remove_left([home], time.time())
        assert home.exists()
    remove_left([run / "gone", home], time.time())
    assert not home.exists()


def test_without_a_directory_in_memory_homes_are_temporary_files(
    context: SolverContext, scripted: Scripted, tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run)
    scripted(f'echo "$HOME" >{tmp_path}/home').present_all(records("a.test", ONE), context)
    home = Path((tmp_path / "home").read_text().strip())
    assert home.parent == Path(tempfile.gettempdir())
    assert not home.exists()


# What is missing


def test_a_script_that_acme_sh_has_not_is_asked_about_before_any_order(
    context: SolverContext, zones: Zones, key_file: Path
) -> None:
    with pytest.raises(AgentError) as failed:
        nsupdate(zones, key_file, script="dns_nsupdat").check_record(records("a.test", "")[0], context)
    assert failed.value.problem.lines() == [
        f'the DNS solver command: acme.sh has no script "dns_nsupdat" for DNS services in {ACME_SH}/dnsapi.',
        'Did you mean "dns_nsupdate"? Set script to the name of a file there, without .sh; then: chainwright apply',
    ]
    nsupdate(zones, key_file).check_record(records("a.test", "")[0], context)


def test_acme_sh_itself_may_be_missing(context: SolverContext) -> None:
    made = CommandSolver.model_validate({"convention": "acme.sh", "script": "dns_cf", "acme_sh": "/no/such"})
    for ask in (made.present_all, made.clean_up_all):
        with pytest.raises(AgentError) as failed:
            ask(records("a.test", ONE), context)
        assert failed.value.problem.lines() == [
            "the DNS solver command: The scripts of acme.sh need acme.sh itself, and there is no /no/such/acme.sh.",
            (
                "Install the package acme.sh (Debian 13 or newer has it), or unpack acme.sh and set acme_sh to its directory; "
                "then: chainwright renew"
            ),
        ]


def _age(run: Path, *homes: Path) -> None:
    """Make homes look as old as those that were left by killed processes."""
    for each in homes or run.iterdir():
        os.utime(each, (time.time() - 60,) * 2)


def _is_alive(pid: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
    return bool(found.strip()) and not found.startswith("Z")
