"""A run that has nothing to do ends before anything heavy is imported, and only while everything is as it was."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli.fast_path import idle_exit_code
from agent.engine.evidence import LATELY
from agent.engine.freshness import LONGEST, InputsFingerprint, UpToDate, still_fresh
from agent.report import read_snapshot
from agent.system.addresses import packed_addresses
from support.appliances.deployed import served
from support.clients.terminal import Terminal
from support.ports import free_port
from support.servers.local import Maker, listening
from support.waiting import until

HEAVY = ("click", "pydantic", "cryptography", "sqlite_utils", "pluggy", "jinja2", "pathlib", "dataclasses", "typing")


@pytest.fixture
def root(tunnel) -> str:
    """The root of an appliance after a pass that left nothing to do."""
    return str(tunnel.root)


def fresh(root: str) -> bool:
    return still_fresh(root, time.time()) is not None


def test_a_second_apply_imports_nothing_that_takes_time(root):
    code = (
        "import sys; from agent.cli import main; code = main(['apply', '--root', sys.argv[1]]); "
        f"print([each for each in {HEAVY} if each in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first.startswith("Nothing to do. Next: in ")
    assert second == "[] 0"


def test_it_says_what_the_long_way_says(tunnel):
    terminal = Terminal(tunnel.root)
    short = terminal.run("apply")
    long = terminal.run("apply", "--now")
    assert (short.returncode, short.stdout, short.stderr) == (long.returncode, long.stdout, long.stderr)


def settings_change(tunnel):
    tunnel.settings(tunnel.layout.settings.read_text() + "\n")


def settings_change_back_and_keep_their_time(tunnel):
    path = tunnel.layout.settings
    status = path.stat()
    text = path.read_text()
    path.write_text(text.replace("timeout = 3", "timeout = 4"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def a_file_of_settings_appears(tunnel):
    tunnel.layout.conf_d.mkdir()
    (tunnel.layout.conf_d / "more.toml").write_text("")


def settings_become_writable_by_everybody(tunnel):
    tunnel.layout.settings.chmod(0o666)


def a_template_is_overridden(tunnel):
    place = tunnel.layout.templates / "tunnel"
    place.mkdir(parents=True)
    (place / "toyd.conf.j2").write_text("# mine\n")


def the_plugin_changes(tunnel):
    with (tunnel.layout.plugins / "tunnel.py").open("a") as file:
        file.write("# changed\n")


def a_chain_is_deleted(tunnel):
    with tunnel.store() as store, store.write():
        store.chains.delete(next(iter(store.chains.records())).id)


def a_new_chain_is_asked_for(tunnel):
    with tunnel.store() as store, store.write():
        store.orders.ask_again(store.modules.needs()[0].request.id, tunnel.clock())


def a_transaction_is_left_open(tunnel):
    with tunnel.store() as store, store.write():
        store.database.execute("insert into transactions (id, job, phase, record) values ('1', '', 'stage', '{}')")


def the_store_is_gone(tunnel):
    tunnel.layout.database.unlink()


CHANGES = [
    settings_change,
    settings_change_back_and_keep_their_time,
    a_file_of_settings_appears,
    settings_become_writable_by_everybody,
    a_template_is_overridden,
    the_plugin_changes,
    a_chain_is_deleted,
    a_new_chain_is_asked_for,
    a_transaction_is_left_open,
    the_store_is_gone,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_any_change_makes_the_next_run_look_at_everything(tunnel, change):
    assert fresh(str(tunnel.root))
    change(tunnel)
    assert not fresh(str(tunnel.root))
    assert idle_exit_code(["apply", "--root", str(tunnel.root)]) is None


def test_a_secret_outside_of_the_settings_is_watched_too(appliance):
    secret = appliance.root / "elsewhere" / "token"
    secret.parent.mkdir()
    secret.write_text("one\n")
    secret.chmod(0o600)
    (appliance.layout.plugins / "solver.py").write_text(SOLVER)
    appliance.settings('plugins.solver.enabled = true\n[dns.toy]\ntoken_file = "/elsewhere/token"\n')
    appliance.apply()
    assert fresh(str(appliance.root))
    secret.write_text("two\n")
    assert not fresh(str(appliance.root))


SOLVER = """
from chainwright import DnsSolver, Secret, hookimpl

class Toy(DnsSolver):
    name = "toy"
    token: Secret

    def present(self, name, value):
        pass

    def clean_up(self, name, value):
        pass

@hookimpl
def register_dns_solvers():
    return [Toy]
"""


def test_it_ends_when_something_is_due_and_when_the_clock_is_set_back(root):
    now = time.time()
    assert still_fresh(root, now)
    assert not still_fresh(root, now + 16 * 60)
    assert not still_fresh(root, now - 3600)


def test_it_is_believed_for_a_day_however_long_nothing_is_due(root):
    now = time.time()
    fresh = UpToDate(now, now + 90 * LONGEST, 0)
    assert [fresh.holds(now + after) for after in (0, LONGEST - 1, LONGEST)] == [True, True, False]


def test_a_pass_that_left_something_to_do_lets_no_run_rest(appliance):
    appliance.drop_in("tunnel")
    appliance.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')
    appliance.apply()
    assert not fresh(str(appliance.root)), "its service is waited for"


def test_what_needs_attention_is_still_said_and_told_by_the_exit_code(appliance):
    appliance.drop_in("slow")
    appliance.drop_in("tunnel")
    port = free_port()
    appliance.settings(
        'hostname = "gw"\nsources = ["slow", "local"]\nplugins.slow.enabled = true\n'
        "[source.slow]\nfailures = 9\nretry_seconds = 3600\n"
        f'[modules.tunnel]\nport = {port}\ndomain = "t.example.test"\n'
    )
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()
    found = still_fresh(str(appliance.root), time.time())
    assert found
    assert found.attention == 1
    done = Terminal(appliance.root).run("apply")
    assert done.returncode == 3
    assert done.stderr == "1 in need of attention: chainwright status\n"


def test_after_a_boot_nothing_is_believed(tunnel):
    fingerprint = InputsFingerprint(str(tunnel.root))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot in fingerprint.record(UpToDate(0.0, None, 0))


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["apply", "--now"],
        ["apply", "--dry-run"],
        ["apply", "--json"],
        ["apply", "--wait", "soon"],
        ["apply", "--help"],
        ["root", "apply"],
        ["apply", "apply"],
        ["apply", "--root"],
        [],
    ],
    ids=" ".join,
)
def test_whatever_else_is_asked_for_takes_the_long_way(root, arguments):
    assert idle_exit_code(["--root", root, *arguments]) is None


@pytest.mark.parametrize("arguments", [["--wait", "5"], ["--timeout=10", "--no-wait"], ["--no-color"]], ids=" ".join)
def test_options_that_change_nothing_about_it_are_fine(root, arguments, capsys):
    assert idle_exit_code(["apply", "--root", root, *arguments]) == 0
    assert capsys.readouterr().out.startswith("Nothing to do.")


def test_a_path_with_odd_characters_is_found(tmp_path):
    assert still_fresh(str(tmp_path / "a?b#c%20d"), time.time()) is None


def test_the_kernel_tells_the_addresses_that_it_shows_elsewhere():
    found = {str(ipaddress.ip_address(each)) for each in packed_addresses()}
    shown = Path("/proc/net/if_inet6").read_text().split()[::6]
    assert {str(ipaddress.ip_address(bytes.fromhex(each))) for each in shown} == {each for each in found if ":" in each}
    assert "127.0.0.1" in found


# What was seen


def test_a_service_that_stops_is_noticed_at_the_next_run_by_a_timer_too(tunnel):
    tunnel.stop("toyd")
    assert not fresh(str(tunnel.root))
    assert idle_exit_code(["apply", "--if-due", "--root", str(tunnel.root)]) is None


def test_another_program_at_the_port_is_noticed_though_somebody_listens(tunnel):
    tunnel.stop("toyd")
    with listening(lambda connection: None, port=tunnel.port):
        assert not fresh(str(tunnel.root))


def test_a_person_has_what_is_served_looked_at_again_unless_it_was_seen_just_now(tunnel):
    root, later = str(tunnel.root), time.time() + 2 * LATELY
    assert still_fresh(root, later, look=True)
    serve_something_else(tunnel)
    assert still_fresh(root, time.time(), look=True), "it was seen a moment ago"
    assert not still_fresh(root, later, look=True)
    assert still_fresh(root, later), "a timer looks when it is due"


def seen_at(tunnel, seconds: float) -> set[float]:
    """Return when the endpoints were looked at, as a status at that time says."""
    snapshot = read_snapshot(tunnel.layout, datetime.fromtimestamp(seconds, UTC))
    return {each.checked_at.timestamp() for each in snapshot.endpoints}


def test_such_a_look_is_told_by_the_status(tunnel):
    root, later = str(tunnel.root), float(int(time.time() + 2 * LATELY))
    (before,) = seen_at(tunnel, later)
    assert before < later
    assert still_fresh(root, later, look=True)
    assert seen_at(tunnel, later) == {later}
    assert still_fresh(root, later + 1), "nothing was written that makes the next run look at everything"
    assert seen_at(tunnel, later - 1) == {before}, "a look in the future is none"
    serve_something_else(tunnel)
    assert not still_fresh(root, later + 100, look=True)
    assert seen_at(tunnel, later + 100) == {later}


@pytest.mark.parametrize("text", ["", "soon\n127.0.0.1:1 t", "nan\n", "1e300\n127.0.0.1:1 t", "\xff"])
def test_a_note_of_the_last_look_that_makes_no_sense_is_none(tunnel, text):
    later = time.time() + 2 * LATELY
    before = seen_at(tunnel, later)
    (tunnel.layout.run / "last-look").write_bytes(text.encode("latin-1"))
    assert seen_at(tunnel, later) == before


def test_what_a_handshake_does_not_show_is_left_to_a_pass(appliance):
    (appliance.layout.plugins / "spoken.py").write_text(SPOKEN)
    appliance.settings("[modules.spoken]\nport = 1\n")
    appliance.apply()
    assert still_fresh(str(appliance.root), time.time(), look=True)
    assert not still_fresh(str(appliance.root), time.time() + 2 * LATELY, look=True)


SPOKEN = """
from chainwright import ChainFile, Endpoint, Module, Part, Probe, Served, hookimpl

class Asking(Probe):
    def look(self, endpoint, deadline, expected):
        return Served(fingerprints=expected.fingerprints)

class Spoken(Module):
    '''A service of its own protocol.'''

    name = "spoken"
    files = (ChainFile(path="a.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    reload = ("true",)
    port: int

    def declare_needs(self, host):
        return [self.need("s.example.test")]

    def probes(self, context):
        return [Endpoint(port=self.port, probe=Asking())]

@hookimpl
def register_modules():
    return [Spoken]
"""


def serve_something_else(tunnel):
    """Have the service read another configuration, as an administrator does by hand."""
    other = tunnel.root / "other"
    other.mkdir()
    material = Maker(other).make("t.example.test")
    pem = other / "both.pem"
    pem.write_bytes(material.key_file.read_bytes() + material.chain_file.read_bytes())
    before = served(tunnel.port)
    live = tunnel.layout.module("tunnel").live / "toyd.conf"
    live.write_text(f"listen {tunnel.port}\nsite t.example.test {pem}\n")
    os.kill(tunnel.processes["toyd"].pid, signal.SIGHUP)
    until(lambda: served(tunnel.port) not in {"", before}, what="the other certificate is served")
