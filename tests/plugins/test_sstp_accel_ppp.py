"""SSTP from settings to the wire on accel-ppp: on a toy that behaves like it, and on the real one where that is installed."""

import os
import shutil
import signal
import struct

import pytest
from deployed import until
from sstp_appliance import ACCEL_PPP, PPP_CALL, SSTPAppliance, received

from agent.deployment import Outcome
from agent.lifecycle.hand import Hand
from plugins.sstp.packets import END_OF_HEAD, request

MAIN_FILE = """$include {root}/etc/accel-ppp.d/chainwright.conf
[modules]
sstp
[client-ip-range]
127.0.0.0/8
"""
INCLUDE = {"main": "include"}


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


@pytest.fixture
def included():
    """An accel-ppp whose main file is the administrator's, not applied yet."""
    with SSTPAppliance.make() as appliance:
        appliance.with_toy_accel_ppp(**INCLUDE)
        appliance.write_main_file(MAIN_FILE)
        yield appliance


def is_bound(box: SSTPAppliance, leaf: str) -> bool:
    """Whether a client that was shown `leaf` (SHA-256) gets past the message that binds its session to it."""
    with box.connect() as stream:
        stream.sendall(request("vpn.example.test"))
        head = b""
        while END_OF_HEAD not in head:
            head += received(stream)
        bound = bytes.fromhex(leaf)
        stream.sendall(PPP_CALL + struct.pack(">BBHHH", 0x10, 1, 8 + len(bound), 4, 0) + bound)
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
    import toy_ca

    from agent.authority import Root

    def take(box: SSTPAppliance) -> None:
        box.apply()
        parent = toy_ca.root("Company Root")
        sub = parent.authority("Company Sub CA")
        made = Root.from_pem(toy_ca.pem(sub.certificate, parent.certificate), toy_ca.key_pem(sub.key))
        Hand(box.engine(), wait=0).upload_root(made)

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
    assert [each for module, each in Hand(vpn.engine(), wait=0).root_effects().consequences if module == "sstp"] == []


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
    assert vpn.cause() == (f"The endpoint serves the chain {before[0][:12]} instead of {vpn.chain()[:12]}.")
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
        "The endpoint gives no proper answer: SSTP is dead behind a good handshake: the connection was closed instead of an "
        "answer to SSTP_DUPLEX_POST."
    )
    vpn.control("accel-pppd").unlink()
    vpn.clock.advance(minutes=16)
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.LIVE


# Your main file includes ours


def test_an_administrators_main_file_includes_ours_and_stays_as_it_is(included):
    before = included.main_file.read_text()
    included.bring_up()
    included.renew()
    included.apply()
    assert included.presented()[0] == included.chain()
    assert included.main_file.read_text() == before
    included_file = included.layout.rooted("/etc/accel-ppp.d/chainwright.conf")
    assert included_file.read_text().splitlines()[1] == f"$include {included.layout.service('sstp').live}/included.conf"


def said_of(box: SSTPAppliance, main_file: str) -> str:
    box.write_main_file(main_file)
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.REFUSED
    assert not box.layout.rooted("/etc/accel-ppp.d/chainwright.conf").exists()
    return box.cause().partition('" refused the new configuration: ')[2]


LINE = "$include {root}/etc/accel-ppp.d/chainwright.conf\n"
MODULES = "[modules]\nsstp\n"
RANGES = "[client-ip-range]\n127.0.0.0/8\n"


@pytest.mark.parametrize(
    ("main_file", "sentence"),
    [
        (
            MODULES + RANGES,
            "error: ROOT/etc/accel-ppp.conf does not include the agent's file; add as its first line: "
            + LINE.format(root="ROOT").strip()
            + ".",
        ),
        (
            MODULES + RANGES + "[sstp]\nport=443\n" + LINE,
            "error: ROOT/etc/accel-ppp.conf has a section [sstp] before that of the agent; remove it.",
        ),
        (
            LINE + RANGES,
            "error: ROOT/etc/accel-ppp.conf does not load SSTP; add a line to [modules]: sstp.",
        ),
        (
            LINE + MODULES + "[client-ip-range]\n10.0.0.0/8\n192.168.0.0-255\nrubbish\n",
            "error: ROOT/etc/accel-ppp.conf does not let the agent look at SSTP; add a line to [client-ip-range]: 127.0.0.1/32.",
        ),
        (LINE + "[modules\n", 'error: ROOT/etc/accel-ppp.conf:2: a section without its "]".'),
        ("sstp\n" + LINE, "error: ROOT/etc/accel-ppp.conf:1: a line before the first section."),
        (
            LINE + "$include /nowhere.conf\n",
            "error: /nowhere.conf, named by ROOT/etc/accel-ppp.conf:2, can't be read: No such file or directory.",
        ),
        (LINE + "$include {root}/etc/accel-ppp.conf\n", "error: ROOT/etc/accel-ppp.conf includes itself."),
        (
            LINE + MODULES + RANGES + f"# {'x' * 1100}\n",
            "error: ROOT/etc/accel-ppp.conf:6: the line is too long for accel-ppp.",
        ),
    ],
)
def test_what_its_main_file_lacks_is_said_with_the_line_to_add_and_nothing_is_left_behind(
    included, main_file, sentence
):
    assert said_of(included, main_file) == sentence


@pytest.mark.parametrize("ranges", ["disable", "127.0.0.0-255", "127.0.0.1/32", "0.0.0.0/0"])
def test_every_way_to_let_the_agents_own_look_in_is_understood(included, ranges):
    included.write_main_file(LINE + MODULES + f"[client-ip-range]\n{ranges}\n[sstp]\nport=1\n")
    included.bring_up()


def test_a_template_that_names_a_key_of_somebody_elses_is_refused_before_the_reload(vpn):
    other = vpn.other_pair()
    vpn.override("sstp.conf.j2", template_with_key(str(other.key_file)))
    vpn.apply()
    assert vpn.deployment("sstp").outcome is Outcome.REFUSED
    assert vpn.cause().partition('" refused the new configuration: ')[2] == (
        "error: ROOT/var/lib/chainwright/modules/sstp/2/sstp.conf: ssl-pemfile, ssl-keyfile and ssl-ca-file can't be used: "
        "key values mismatch."
    )
    assert vpn.runner.count("SIGUSR1") == 0


def template_with_key(path: str) -> str:
    from sstp_appliance import HOUSE

    return (HOUSE / "templates/sstp/sstp.conf.j2").read_text().replace("{{ dir }}/key.pem", path)


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


@pytest.mark.accel_ppp
@pytest.mark.root
def test_the_real_one_keeps_its_chain_when_a_reload_fails_and_gets_its_files_back(company):
    with SSTPAppliance.make() as box:
        box.configure(service={**ACCEL_PPP, "binary": shutil.which("accel-pppd")})
        box.bring_up()
        before = box.presented()
        box.override("sstp.conf.j2", template_with_key("{{ dir }}/nowhere.pem"))
        box.renew()
        box.apply()
        assert box.presented()[0] in {before[0], box.chain()}
        assert box.deployment("sstp").outcome is not Outcome.BROKEN
