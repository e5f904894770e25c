"""SSTP from settings to the wire on accel-ppp: on a toy that behaves like it, and on the real one where that is installed."""

import os
import shutil
import signal
import struct
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.operations.root import root_effects, upload_root
from agent.system.command import Action, CommandResult, Signal
from agent.testing.runner import CountingRunner
from plugins.sstp.packets import END_OF_HEAD, call, request
from support.appliances.sstp import ACCEL_PPP, SSTPAppliance, received
from support.waiting import until

SHOWN = "127.0.0.1:PORT (vpn.example.test)"


@pytest.fixture
def box():
    """An appliance with SSTP on an accel-ppp of its own, not applied yet."""
    with SSTPAppliance.make() as appliance:
        appliance.with_toy_accel_ppp()
        yield appliance


@pytest.fixture
def vpn(box):
    """accel-ppp runs and serves."""
    box.bring_up()
    return box


def is_bound(box: SSTPAppliance, leaf: str) -> bool:
    """Whether a client that was shown `leaf` (SHA-256) gets past the message that binds its session to it."""
    with box.connect() as stream:
        stream.sendall(request("vpn.example.test"))
        head = b""
        while END_OF_HEAD not in head:
            head += received(stream)
        bound = bytes.fromhex(leaf)
        stream.sendall(call() + struct.pack(">BBHHH", 0x10, 1, 8 + len(bound), 4, 0) + bound)
        stream.sendall(struct.pack(">BBHHH", 0x10, 1, 8, 6, 0))
        octets = b""
        while len(octets) < 16:
            octets += received(stream)
    return octets[8:16] == struct.pack(">BBHHH", 0x10, 1, 8, 7, 0)


def test_it_is_served_with_its_intermediates(vpn):
    assert vpn.presented()[0] == vpn.chain()
    assert all(each.ok for each in vpn.records())


def test_an_old_one_that_takes_intermediates_from_elsewhere_sends_the_same(company):
    with SSTPAppliance.make() as box:
        box.with_toy_accel_ppp("--old")
        company(box)
        box.bring_up()
        assert len(box.presented()) == 2
        assert is_bound(box, box.presented()[0])


@pytest.fixture
def company():
    """Have the root be a company's subordinate CA, which is sent as an intermediate then."""
    from agent.pki.authority import Root
    from support.cas import certificates as toy_ca

    def take(box: SSTPAppliance) -> None:
        box.apply()
        parent = toy_ca.root("Company Root")
        sub = parent.authority("Company Sub CA")
        made = Root.from_pem(toy_ca.pem(sub.certificate, parent.certificate), toy_ca.key_pem(sub.key))
        box.change(upload_root, made)

    return take


def test_while_it_does_not_run_everything_is_in_place_and_waits_until_somebody_starts_it(box):
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.WAITING
    assert (
        box.cause()
        == "The service can't be reloaded: no process has the number in ROOT/run/chainwright/accel-pppd.pid."
    )
    box.start_accel_ppp()
    box.runner.ran.clear()
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.LIVE
    assert box.runner.ran == []


def test_while_it_is_not_installed_its_files_wait_for_it(box):
    box.configure(service={**box.service, "binary": "/usr/sbin/no-such-accel-pppd"})
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.WAITING
    assert box.cause() == "The service can't be reloaded: /usr/sbin/no-such-accel-pppd is not installed."


def test_the_agent_starts_it_where_it_may(box):
    box.configure(service={**box.service, "start": True})
    box.layout.log.mkdir(parents=True, exist_ok=True)
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.LIVE


def test_a_new_chain_costs_one_test_and_one_signal_and_no_connection(vpn):
    before, pid = vpn.chain(), vpn.pid
    with vpn.connect() as stream:
        vpn.renew()
        vpn.apply()
        stream.sendall(request("vpn.example.test"))
        assert received(stream).startswith(b"HTTP/1.1 200 ")
    assert vpn.presented()[0] == vpn.chain() != before
    assert vpn.pid == pid
    assert is_bound(vpn, vpn.chain())
    assert (vpn.runner.count("check_accel_ppp"), vpn.runner.count("SIGUSR1"), len(vpn.runner.ran)) == (1, 1, 2)


def test_a_change_of_root_ends_no_session(vpn):
    assert [each for each in vpn.change(root_effects).consequences if each.module == "sstp"] == []


# What goes wrong


def test_a_failed_reload_leaves_sessions_bound_to_a_leaf_that_nobody_is_shown(vpn):
    """The trap itself: the handshake looks healthy, and no session comes about."""
    leaf = vpn.presented()[0]
    live = vpn.live("sstp")
    for name in ("fullchain.pem", "key.pem"):
        (live / name).unlink()
    other = vpn.other_pair()
    (live / "fullchain.pem").write_bytes(other.chain_file.read_bytes())
    (live / "key.pem").write_text("no key\n")
    os.kill(vpn.pid, signal.SIGUSR1)
    until(lambda: not is_bound(vpn, leaf), what="the reload")
    assert vpn.presented()[0] == leaf


def test_after_a_failed_reload_the_files_are_put_back_and_it_reloads_again(vpn):
    before = vpn.presented()
    vpn.control("accel-pppd").write_text("refuse")
    vpn.renew()
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.ROLLED_BACK
    (refused,) = vpn.refusals()
    assert vpn.cause() == f"{SHOWN} serves the chain {before[0][:12]} instead of {refused.subject[:12]}."
    assert vpn.chain() == before[0]
    assert vpn.runner.count("SIGUSR1") == 2
    assert vpn.presented() == before
    until(lambda: is_bound(vpn, before[0]), what="the second reload")
    vpn.control("accel-pppd").unlink()
    vpn.clock.advance(minutes=2)
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE
    assert vpn.presented()[0] == vpn.chain() != before[0]
    assert is_bound(vpn, vpn.chain())


def test_one_that_ignores_the_signal_is_rolled_back(vpn):
    before = vpn.presented()
    vpn.control("accel-pppd").write_text("deaf")
    vpn.renew()
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.ROLLED_BACK
    assert vpn.presented() == before


def test_sstp_that_is_dead_behind_a_good_handshake_is_seen_and_said(vpn):
    vpn.control("accel-pppd").write_text("dead")
    vpn.clock.advance(minutes=16)
    vpn.apply()
    (record,) = vpn.records()
    assert record.problem.cause == (
        f"{record.address} ({record.server_name}) gives no proper answer: SSTP is dead behind a good handshake: "
        "the connection was closed instead of an answer to SSTP_DUPLEX_POST."
    )
    vpn.control("accel-pppd").unlink()
    vpn.clock.advance(minutes=16)
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE


def test_a_template_that_names_a_key_of_somebody_elses_is_refused_before_the_reload(vpn):
    other = vpn.other_pair()
    vpn.override("sstp/sstp.conf.j2", template_with_key(str(other.key_file)))
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.REFUSED
    assert vpn.cause().partition(" refused the new configuration: ")[2] == (
        "error: ROOT/var/lib/chainwright/modules/sstp/2/sstp.conf: ssl-pemfile, ssl-keyfile and ssl-ca-file can't be used: "
        "key values mismatch."
    )
    assert vpn.runner.count("SIGUSR1") == 0


def template_with_key(path: str) -> str:
    from support.paths import CHECKOUT

    return (CHECKOUT / "templates/sstp/sstp.conf.j2").read_text().replace("{{ dir }}/key.pem", path)


def test_one_that_answers_no_frame_is_seen_and_is_not_reloaded_for_it(vpn):
    vpn.control("accel-pppd").write_text("mute")
    vpn.configure(probe_timeout=1)
    vpn.clock.advance(minutes=16)
    vpn.runner.ran.clear()
    vpn.apply()
    (record,) = vpn.records()
    assert record.problem.code == "deploy.new_sessions_fail"
    assert record.problem.cause.replace(str(vpn.port), "PORT") == (
        f"{SHOWN} gives no proper answer: SSTP is dead behind a good handshake: the call was taken, and the LCP "
        "Configure-Request in it got no answer in time: no frame gets through."
    )
    assert record.problem.effect == "Nobody can connect; who is connected may go on."
    assert vpn.runner.count("SIGUSR1") == 0


# The real one


@pytest.mark.accel_ppp
@pytest.mark.root
def test_the_real_one_swaps_chains_and_answers_a_call(company):
    with SSTPAppliance.make() as box:
        box.configure(service={**ACCEL_PPP, "binary": shutil.which("accel-pppd")})
        company(box)
        box.bring_up()
        before = box.presented()
        assert len(before) == 2
        box.renew()
        box.apply()
        assert box.deployment("sstp").outcome is Outcome.LIVE
        assert box.presented()[0] == box.chain() != before[0]


class SpoilingRunner(CountingRunner):
    """Puts another key in place once, after everything has been tested and before the reload."""

    def __init__(self, key: Path, content: str) -> None:
        super().__init__()
        self._key = key
        self._content = content

    def run(self, action: Action) -> CommandResult:
        if isinstance(action, Signal) and self._content:
            self._key.unlink()
            self._key.write_text(self._content)
            self._content = ""
        return super().run(action)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=[pytest.mark.accel_ppp, pytest.mark.root])])
def test_a_key_that_is_spoilt_before_the_reload_is_taken_back_with_a_second_one(real):
    with SSTPAppliance.make() as box:
        box.with_toy_accel_ppp()
        if real:
            box.configure(service={**ACCEL_PPP, "binary": shutil.which("accel-pppd")})
        box.bring_up()
        before = box.presented()
        box.runner = SpoilingRunner(box.layout.module("sstp").live / "key.pem", box.other_pair().key_file.read_text())
        box.renew()
        box.apply()
        assert box.deployment("sstp").outcome is Outcome.ROLLED_BACK
        assert box.runner.count("SIGUSR1") == 2
        assert box.presented() == before
        if not real:
            until(lambda: is_bound(box, before[0]), what="the second reload")
        box.clock.advance(minutes=2)
        box.apply()
        assert box.deployment("sstp").outcome is Outcome.LIVE
        assert box.presented()[0] == box.chain() != before[0]
