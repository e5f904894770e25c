"""The agent as a process: when it makes a pass, what it survives, how it ends."""

from __future__ import annotations

import shutil
import signal
import socket
import stat
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.operations.uploads import store_upload
from agent.pki.chain import Chain
from agent.system.layout import Layout
from agent.system.lock import held
from agent.system.poke import poke
from support.appliances.deployed import Deployed, served
from support.appliances.idle import START, configure
from support.cas import certificates as toy_ca
from support.cas import crls
from support.clients.api import Connection
from support.processes import prepared
from support.processes.daemon import Agent, with_fault, with_test_s_clock
from support.waiting import until


def chain_sources(appliance: Deployed) -> set[str]:
    with appliance.store() as store:
        bound = {binding.chain for binding in store.modules.bindings()}
        return {record.source for record in store.chains.records() if record.id in bound}


def kinds(appliance: Deployed) -> list[str]:
    with appliance.store() as store:
        return [str(event.kind) for event in store.journal.since()]


# When


def test_it_makes_a_pass_at_its_start_and_ends_with_exit_code_0(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        assert (idle.layout.module("tunnel").live / "tunnel.pem").exists()
        assert agent.ends() == 0
        assert agent.log[-1].endswith("the agent ends")
    assert not idle.layout.poke.exists()


def test_it_makes_a_pass_when_it_is_poked(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        assert poke(idle.layout)
        agent.passes("it was poked")
        assert poke(idle.layout)
        agent.passes("it was poked", times=2)


def test_only_its_own_user_may_poke_it(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        assert stat.S_IMODE(idle.layout.poke.stat().st_mode) == 0o600


def test_an_appliance_without_an_agent_cannot_be_poked(idle):
    assert not poke(idle.layout)


def test_it_makes_a_pass_on_sighup(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        agent.signal(signal.SIGHUP)
        agent.passes("SIGHUP came")


def test_it_makes_a_pass_when_an_endpoint_is_to_be_looked_at(tunnel):
    configure(tunnel, interval=1)
    with Agent(tunnel.layout) as agent:
        agent.passes("something is due", times=2)


def test_it_repairs_what_drifts_without_being_asked(tunnel):
    configure(tunnel, interval=1)
    with Agent(tunnel.layout) as agent:
        agent.passes("something is due")
        pem = tunnel.layout.module("tunnel").live / "tunnel.pem"
        pem.unlink()
        until(pem.exists, what="the file is back")
        assert "drift" in kinds(tunnel)


def test_what_was_seen_before_its_start_is_looked_at_again(tunnel):
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    tunnel.stop("toyd")
    with Agent(tunnel.layout) as agent:
        agent.passes(START)
        (record,) = tunnel.records()
        assert record.problem.code == "deploy.service_stopped"


def test_a_service_that_ends_is_noticed_at_once_and_told_and_so_is_its_return(tunnel):
    with Agent(tunnel.layout) as agent:
        agent.passes(START)
        pid = tunnel.processes["toyd"].pid
        tunnel.stop("toyd")
        agent.passes(f"the process {pid} of a service has ended")
        (record,) = tunnel.records()
        assert record.problem.code == "deploy.service_stopped"
        tunnel.start("toyd", tunnel.live("tunnel") / "toyd.conf")
        agent.passes("who listens at a port has changed")
        (record,) = tunnel.records()
        assert record.ok


def test_a_service_that_is_restarted_is_looked_at_and_nothing_is_told(tunnel):
    with Agent(tunnel.layout) as agent:
        agent.passes(START)
        pid = tunnel.processes["toyd"].pid
        tunnel.start("toyd", tunnel.live("tunnel") / "toyd.conf")
        agent.passes(f"the process {pid} of a service has ended")
        (record,) = tunnel.records()
        assert (record.ok, record.problem) == (True, None)
        assert "drift" not in kinds(tunnel)


def test_a_clock_that_is_set_starts_a_pass(idle, tmp_path):
    offset = tmp_path / "offset"
    with Agent(idle.layout, {"NOTIFY_SOCKET": "@none", "WATCHDOG_USEC": "200000"}, with_test_s_clock(offset)) as agent:
        agent.passes(START)
        offset.write_text("-1800")
        agent.says("made a pass, because the clock was set by -1800 s;")
        offset.write_text("0")
        agent.says("made a pass, because the clock was set by +1800 s;")


def test_a_clock_that_leaps_starts_a_pass_which_notes_the_doubt_and_another_one_its_end(idle, tmp_path):
    offset = tmp_path / "offset"
    with Agent(idle.layout, {"NOTIFY_SOCKET": "@none", "WATCHDOG_USEC": "200000"}, with_test_s_clock(offset)) as agent:
        agent.passes(START)
        offset.write_text(str(3 * 365 * 86400))
        agent.passes("the machine's clock isn't believed")
        offset.write_text("0")
        agent.passes("the machine's clock is believed again")
        assert "clock was set" not in agent.log_file.read_text(), "time goes on as it was"
        told = [each.partition('text="')[2].rstrip('"') for each in agent.log if "event=clock" in each]
        assert told == [
            "the machine's clock isn't believed: it was set to another time while the machine ran",
            "the machine's clock is believed again",
        ]


# Orders


def test_it_serves_pokes_while_orders_run_and_deploys_what_they_bring_together(patient):
    with Agent(patient.layout) as agent:
        agent.passes(START)
        agent.says("event=order_started", times=2)
        assert poke(patient.layout)
        agent.passes("it was poked")
        assert chain_sources(patient) == {"local"}
        (patient.root / "gate").touch()
        agent.passes("orders have ended")
        assert chain_sources(patient) == {"patient"}
        assert agent.count("because orders have ended") == 1


def test_it_stops_orders_at_its_end_and_the_next_agent_asks_again(patient):
    with Agent(patient.layout) as agent:
        agent.passes(START)
        agent.says("event=order_step", times=2)
        assert agent.ends() == 0
    with patient.store() as store:
        assert store.orders.leased(patient.clock()) == set()
        assert [record.problem for record in store.orders.records() if record.problem] == []
    (patient.root / "gate").touch()
    with Agent(patient.layout) as agent:
        agent.passes("orders have ended")
        assert chain_sources(patient) == {"patient"}


def test_an_agent_that_is_killed_leaves_orders_to_the_next_one(patient):
    with Agent(patient.layout) as agent:
        agent.says("event=order_step", times=2)
        agent.signal(signal.SIGKILL)
        agent.process.wait(10)
    (patient.root / "gate").touch()
    with Agent(patient.layout):
        # Whoever is first: the process that the killed one has left ends its orders in the moment before it notices.
        until(lambda: chain_sources(patient) == {"patient"}, seconds=40, what="the chain of the CA is in service")


def test_what_its_ca_says_of_a_chain_in_service_starts_a_pass(idle):
    configure(idle, sources='"uploaded", "local"', more="[fetch]\nprivate = true\n")
    with Agent(idle.layout) as agent, crls.WebServer() as web:
        agent.passes(START)
        root = toy_ca.root(now=idle.clock())
        leaf = root.leaf("t.example.test", now=idle.clock(), extensions=toy_ca.crl_points(web.url("/1.crl")))
        chain = Chain.build(leaf.key, [leaf.certificate], [root.certificate])
        entry = crls.revoked(leaf.certificate, at=idle.clock())
        web.pages["/1.crl"] = crls.crl(root, entry, now=idle.clock())
        idle.change(store_upload, chain)
        assert poke(idle.layout)
        agent.passes("inquiries have ended")
        assert "chain_revoked" in kinds(idle)
        assert chain_sources(idle) == {"local"}


# What it survives


def test_bad_settings_leave_the_last_good_ones_in_force_and_are_said_once(tunnel):
    with Agent(tunnel.layout) as agent:
        agent.passes(START)
        tunnel.settings("nonsense = 1\n")
        (tunnel.layout.module("tunnel").live / "tunnel.pem").unlink()
        assert poke(tunnel.layout)
        agent.passes("it was poked")
        assert poke(tunnel.layout)
        agent.passes("it was poked", times=2)
        assert agent.count("There is an error in the settings") == 1
        assert kinds(tunnel).count("settings_refused") == 1
        assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
        configure(tunnel)
        assert poke(tunnel.layout)
        agent.says("the settings can be used again")


def test_it_starts_with_bad_settings_and_waits_for_good_ones(idle):
    idle.settings("nonsense = 1\n")
    with Agent(idle.layout) as agent:
        agent.says("no pass was made")
        assert poke(idle.layout)
        configure(idle)
        assert poke(idle.layout)
        agent.says("made a pass, because it was poked")
        assert agent.count("There is an error in the settings") == 1


def test_settings_that_are_corrected_are_noticed(idle):
    idle.settings("nonsense = 1\n")
    with Agent(idle.layout) as agent:
        agent.says("no pass was made")
        configure(idle)
        agent.says("the settings can be used again")
        assert idle.layout.module("tunnel").live.exists()


def test_it_waits_while_another_run_holds_the_lock(idle):
    with ExitStack() as lock:
        lock.enter_context(held(idle.layout.lock, wait=0))
        with Agent(idle.layout) as agent:
            agent.says("Another run holds the lock (pid ")
            lock.close()
            agent.passes(START)


def test_an_unexpected_error_is_logged_with_its_traceback_and_tried_again(idle, tmp_path):
    fault = tmp_path / "fault"
    fault.touch()
    with Agent(idle.layout, program=with_fault(fault)) as agent:
        agent.says("a pass failed")
        assert agent.count("Traceback (most recent call last):") == 1
        assert agent.count("RuntimeError: a fault of the test's") == 1
        fault.unlink()
        agent.passes("a failed pass is tried again")


def test_a_damaged_database_is_restored_and_does_not_end_it(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        for path in idle.layout.private.glob("chainwright.db*"):
            path.write_bytes(b"no database\n" * 1000)
        assert poke(idle.layout)
        agent.says("warning event=database_restored")
        assert agent.process.poll() is None
        assert agent.ends() == 0


# One agent


def second(layout: Layout) -> tuple[int, str]:
    done = prepared.run(["-P", "-m", "agent", "run", "--root", layout.root])
    return done.returncode, done.stderr


def test_a_second_agent_says_that_one_is_up_and_exits_with_5(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        code, text = second(idle.layout)
        assert (code, text.splitlines()) == (
            5,
            [
                f"Error: {idle.layout.daemon_lock}: The agent is already running (pid {agent.process.pid}, chainwright run).",
                "It goes on as before. See how it does: chainwright status",
            ],
        )
        assert poke(idle.layout)
        agent.passes("it was poked")


def test_an_agent_starts_where_one_was_killed(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        agent.signal(signal.SIGKILL)
        agent.process.wait(10)
    assert idle.layout.poke.exists()
    with Agent(idle.layout) as agent:
        agent.passes(START)
        assert poke(idle.layout)
        agent.passes("it was poked")


def test_a_run_directory_that_is_removed_comes_back_with_what_is_in_it(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        shutil.rmtree(idle.layout.run)
        agent.passes("its socket was removed")
        until(idle.layout.api.exists, seconds=40, what="the socket of the API")
        assert stat.S_IMODE(idle.layout.run.stat().st_mode) == 0o755
        assert {stat.S_IMODE(each.stat().st_mode) for each in (idle.layout.poke, idle.layout.api)} == {0o600}
        assert poke(idle.layout)
        agent.passes("it was poked")
        with closing(Connection(idle.layout.api, 20)) as caller:
            caller.request("GET", "/v1/openapi.json")
            assert caller.getresponse().status == 200
        assert agent.ends() == 0
    assert not idle.layout.poke.exists()
    assert not idle.layout.api.exists()


def test_a_socket_that_is_replaced_is_bound_again(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        idle.layout.poke.unlink()
        idle.layout.poke.write_text("no socket")
        agent.passes("its socket was removed")
        assert poke(idle.layout)
        agent.passes("it was poked")


def test_a_directory_too_deep_for_a_socket_is_named(tmp_path):
    layout = Layout(tmp_path / ("d" * 100))
    code, text = second(layout)
    assert (code, text.splitlines()[0]) == (
        1,
        f"Error: {layout.poke}: The path of a UNIX socket may have 107 bytes, this one has {len(str(layout.poke))}.",
    )


# systemd


@pytest.fixture
def manager(tmp_path):
    """A service manager's end of the notification socket."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(30)
        yield listener


def messages(manager: socket.socket, last: str) -> list[str]:
    """Return what is told up to a message that begins with `last`."""
    found = [manager.recv(4096).decode()]
    while not found[-1].startswith(last):
        found.append(manager.recv(4096).decode())
    return found


def test_systemd_is_told_of_its_start_its_life_and_its_end(idle, manager):
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "400000"}
    with Agent(idle.layout, environment) as agent:
        assert messages(manager, "READY=1")[0] == "READY=1\nSTATUS=The first pass begins."
        assert messages(manager, "STATUS=")[-1].startswith("STATUS=All is well. The next pass is due at 20")
        messages(manager, "WATCHDOG=1")
        messages(manager, "WATCHDOG=1")
        assert agent.ends() == 0
        messages(manager, "STOPPING=1")


def test_the_journal_is_told_how_grave_a_line_is(idle):
    idle.settings("nonsense = 1\n")
    log = idle.layout.root / "agent.daemon.log"
    log.touch()
    status = log.stat()
    with Agent(idle.layout, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}) as agent:
        agent.says("no pass was made")
        assert [line[:3] for line in agent.log] == ["<6>", "<3>", "<4>"]


def test_the_chain_in_service_is_served_while_the_agent_comes_and_goes(tunnel):
    before = served(tunnel.port, "t.example.test")
    for _ in range(2):
        with Agent(tunnel.layout) as agent:
            agent.passes(START)
            assert agent.ends() == 0
    assert before == served(tunnel.port, "t.example.test") != ""
    assert Path(f"/proc/{tunnel.processes['toyd'].pid}").exists()
