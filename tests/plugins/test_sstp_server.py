"""SSTP from settings to the wire on a real sstp-server: it has no reload, so it is restarted."""

import socket
import subprocess
import sys

import pytest

from agent.model.deployment import Outcome
from agent.operations.root import root_effects
from agent.pki.key import KeyType, generate_key
from agent.system.command import Command, SystemRunner
from plugins.sstp.run_sstpd import stop
from plugins.sstp.service import RUN_SSTPD
from plugins.sstp.sessions import main_process, sessions
from support.appliances.sstp import DOMAIN, SSTPAppliance, is_over
from support.cas import certificates as toy_ca
from support.ports import free_port
from support.waiting import until


@pytest.fixture
def box():
    """An appliance with SSTP on sstp-server, not applied yet."""
    with SSTPAppliance.make() as appliance:
        appliance.with_sstpd()
        yield appliance


@pytest.fixture
def vpn(box):
    """sstp-server runs and serves."""
    box.bring_up()
    return box


def test_it_is_served_with_its_chain_and_its_intermediates(vpn):
    assert vpn.presented()[0] == vpn.chain()
    (record,) = vpn.records()
    assert record.ok
    assert (record.server_name, record.address) == (DOMAIN, f"127.0.0.1:{vpn.port}")


def test_while_it_does_not_run_everything_is_in_place_and_waits_until_somebody_starts_it(box):
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.WAITING
    assert box.cause() == "The service can't be reloaded: no process has the number in ROOT/run/chainwright/sstpd.pid."
    box.start_sstpd()
    box.runner.ran.clear()
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.LIVE
    assert box.runner.ran == []
    assert box.presented()[0] == box.chain()


def test_while_it_is_not_installed_its_files_wait_for_it(box):
    binary = box.service["binary"]
    box.configure(service={**box.service, "binary": "/usr/bin/no-such-sstpd"})
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.WAITING
    assert box.cause() == "The service can't be reloaded: /usr/bin/no-such-sstpd is not installed."
    box.configure(service={**box.service, "binary": binary})
    box.apply()
    box.start_sstpd()
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.LIVE


def test_the_agent_starts_it_where_it_may(box):
    box.configure(service={**box.service, "start": True})
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.LIVE
    assert box.presented()[0] == box.chain()


def test_one_that_has_died_is_found_by_the_next_look_and_picked_up_when_it_is_back(vpn):
    vpn.kill()
    vpn.clock.advance(minutes=16)
    vpn.apply()
    assert {each.problem.code for each in vpn.records()} == {"deploy.service_stopped"}
    vpn.start_sstpd()
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE
    assert all(each.ok for each in vpn.records())


def test_a_new_chain_costs_one_test_and_one_restart(vpn):
    before, pid = vpn.chain(), vpn.pid
    vpn.renew()
    vpn.apply()
    assert vpn.chain() != before
    assert vpn.presented()[0] == vpn.chain()
    assert vpn.pid != pid
    assert (vpn.runner.count(" check "), vpn.runner.count(" restart ")) == (1, 1)
    assert len(vpn.runner.ran) == 2


def test_a_pass_with_nothing_to_do_runs_nothing(vpn):
    with vpn.session() as stream:
        assert vpn.apply().performed == ()
        assert vpn.runner.ran == []
        stream.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stream.recv(1)


# Sessions


def test_a_look_goes_as_far_as_ppp_and_leaves_no_session_and_no_address_behind(vpn):
    vpn.clock.advance(minutes=16)
    vpn.apply()
    assert all(each.ok for each in vpn.records())
    until(lambda: sessions(vpn.pid) == [], what="the end of the look's session")
    log = (vpn.root / "sstpd.log").read_text()
    assert log.count("Registered address") == log.count("Unregistered address") > 0


RESTARTED = "sstp-server is restarted, as it reads a chain only at its start."


def consequences(box: SSTPAppliance) -> list[tuple[str, str]]:
    found = box.change(root_effects)
    assert found.unknown == ()
    return [(each.sentence, each.severity) for each in found.consequences if each.module == "sstp"]


def test_a_change_of_root_counts_the_sessions_that_drop_by_name(vpn):
    assert consequences(vpn) == [
        ("No SSTP session is up; sstp-server is restarted, as it reads a chain only at its start.", "info")
    ]
    with vpn.session():
        until(lambda: len(sessions(vpn.pid)) == 1, what="the session's pppd")
        assert consequences(vpn) == [
            (
                "1 SSTP session drops (127.0.0.1); sstp-server is restarted, as it reads a chain only at its start.",
                "outage",
            )
        ]
        with vpn.session():
            until(lambda: len(sessions(vpn.pid)) == 2, what="the other session's pppd")
            assert consequences(vpn) == [
                (
                    f"2 SSTP sessions drop (127.0.0.1, 127.0.0.1); {RESTARTED}",
                    "outage",
                )
            ]


def test_a_restart_does_drop_them_and_new_ones_get_the_new_chain(vpn):
    with vpn.session() as stream:
        until(lambda: sessions(vpn.pid), what="the session's pppd")
        vpn.renew()
        vpn.apply()
        vpn.assert_live()
        assert is_over(stream)
    with vpn.session():
        until(lambda: sessions(vpn.pid) == ["127.0.0.1"], what="the new session's pppd")
        assert vpn.presented()[0] == vpn.chain()


def test_nobody_is_named_where_it_does_not_run(box):
    box.apply()
    assert main_process("pid", str(box.pid_file)) is None
    assert consequences(box) == [
        ("No SSTP session is up; sstp-server is restarted, as it reads a chain only at its start.", "info")
    ]


# Refusals, each of them before anybody is disconnected


def refused(box: SSTPAppliance) -> str:
    """Apply, and return what is refused; meanwhile a session goes on, and the chain in service stays."""
    leaf = box.presented()[0]
    with box.session() as stream:
        box.apply()
        assert box.presented()[0] == leaf
        stream.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stream.recv(1)
    assert box.runner.count(" restart ") == 0
    return box.cause()


CHECK = "run_sstpd refused the new configuration: ROOT/var/lib/chainwright/modules/sstp/2/sstpd.conf: "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pem_key = /nowhere.pem", "pem_cert and pem_key can't be used: no such file or directory."),
        ("pem_cert =", 'it has no "pem_cert".'),
        ("listen_port = https", 'listen_port must be a number, and it is "https".'),
        ("pppd = /nowhere/pppd", "pppd /nowhere/pppd can't be run; sstp-server does not start without it."),
        ("what is this", "Source contains parsing errors: <string>"),
    ],
)
def test_what_would_end_it_at_its_start_is_refused_and_nobody_is_disconnected(vpn, text, reason):
    key = text.partition(" =")[0]
    original = (RUN_SSTPD.parents[2] / "templates/sstp/sstpd.conf.j2").read_text()
    kept = [line for line in original.splitlines() if not line.startswith(f"{key} ")]
    vpn.override("sstp/sstpd.conf.j2", "\n".join([*kept, text, ""]))
    said = refused(vpn)
    assert said.startswith(CHECK)
    assert said.removeprefix(CHECK).startswith(reason.replace("<string>", "'ROOT"))


def test_one_that_carries_no_frames_is_refused_and_its_cure_is_told(box):
    package = box.root / "broken/sstpd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0.6.0"\n')
    (package / "codec.py").write_text(
        'PppDecoder = object\ndef escape(frame):\n    raise SystemError("PY_SSIZE_T_CLEAN macro must be defined")\n'
    )
    python = box.program("python3", f'#!/bin/sh\nPYTHONPATH={package.parent} exec {sys.executable} "$@"\n')
    box.configure(service={**box.service, "binary": box.program("sstpd", f"#!{python}\n")})
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.REFUSED
    assert box.cause() == (
        "run_sstpd refused the new configuration: ROOT/bin/sstpd carries no frames: its codec fails at every frame: "
        "SystemError: PY_SSIZE_T_CLEAN macro must be defined; build it again: "
        '"CFLAGS=-DPY_SSIZE_T_CLEAN python -m pip install --force-reinstall --no-cache-dir --no-binary sstp-server '
        'sstp-server==0.6.0".'
    )


def test_a_key_of_another_chain_never_gets_as_far_as_a_restart(vpn):
    """The agent deploys no such pair; somebody else may put one there between two looks."""
    before = vpn.presented()
    key = vpn.live("sstp") / "key.pem"
    key.write_text(toy_ca.key_pem(generate_key(KeyType.ECDSA_P256)).decode())
    result = SystemRunner().run(vpn_check(vpn))
    assert (result.ok, result.summary.partition(": ")[2]) == (
        False,
        "pem_cert and pem_key can't be used: key values mismatch",
    )
    vpn.clock.advance(minutes=16)
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE
    assert vpn.presented() == before
    assert SystemRunner().run(vpn_check(vpn)).ok


def vpn_check(box: SSTPAppliance) -> Command:
    live = box.live("sstp")
    argv = ("check", str(box.service["binary"]), f"{live}/sstpd.conf", str(box.pid_file), str(box.root / "log"))
    return Command((sys.executable, "-I", str(RUN_SSTPD), *argv))


def test_one_that_does_not_come_up_with_the_new_files_is_started_again_with_the_old_ones(vpn):
    """Nothing that is looked for before finds that sstp-server does not know the address pool."""
    before = vpn.presented()
    vpn.override("sstp/sstpd.conf.j2", "{% include 'default:sstpd.conf.j2' %}\nrange = nonsense\n")
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.ROLLED_BACK
    said = vpn.cause()
    assert said == (
        "The reload failed (run_sstpd): error: sstp-server ended at its start: ValueError: not enough values to unpack "
        "(expected 2, got 1)."
    )
    assert vpn.runner.count(" restart ") == 2
    assert vpn.presented() == before
    with vpn.session():
        until(lambda: sessions(vpn.pid) == ["127.0.0.1"], what="a session")


def test_a_port_that_another_program_has_is_refused_and_nobody_is_disconnected(vpn):
    before = vpn.presented()
    with socket.socket() as other, vpn.session():
        taken = free_port()
        other.bind(("127.0.0.1", taken))
        other.listen()
        vpn.configure(module={"listen": f"127.0.0.1:{taken}"})
        vpn.apply()
        assert vpn.deployment("sstp").outcome is Outcome.REFUSED
        assert vpn.cause().endswith(f"/2/sstpd.conf: another program listens at 127.0.0.1 port {taken} already.")
        assert sessions(vpn.pid) == ["127.0.0.1"]
        assert vpn.presented() == before


def test_a_number_that_is_another_programs_by_now_is_left_alone(vpn):
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            stop(str(vpn.service["binary"]), vpn.root / "nothing.pid")
            (vpn.root / "other.pid").write_text(f"{other.pid}\n")
            stop(str(vpn.service["binary"]), vpn.root / "other.pid")
            assert other.poll() is None
        finally:
            other.kill()


def test_a_configuration_that_somebody_has_spoilt_is_made_again(vpn):
    (vpn.live("sstp") / "sstpd.conf").write_text("what is this\n")
    vpn.clock.advance(minutes=16)
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE
    assert "pem_cert" in (vpn.live("sstp") / "sstpd.conf").read_text()
    assert vpn.presented()[0] == vpn.chain()


def test_another_port_is_served_after_the_restart(vpn):
    vpn.configure(port=free_port())
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE
    assert vpn.presented()[0] == vpn.chain()
