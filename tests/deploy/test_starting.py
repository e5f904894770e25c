"""Services that the agent starts."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.recheck import Recheck
from agent.model.deployment import Outcome
from agent.model.restart import Restart, started_again
from agent.report import read_snapshot, report
from agent.store.restarts import read_restarts
from agent.system.command import Command
from plugins.nginx.start_nginx import end_orphans
from support.appliances.proxied import OWN, SITES, Proxied


def test_what_the_agent_starts_stays_after_it_and_nothing_else_does():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure()
        box.apply()
        box.assert_live()
        staying = [action for action in box.runner.ran if isinstance(action, Command) and action.stays]
        assert [command.shown for command in staying] == ["plugins.nginx.start_nginx"]


@pytest.fixture
def nginx():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure()
        box.apply()
        yield box


def test_workers_that_outlive_their_master_end_and_another_nginx_is_started(nginx):
    first = nginx.master
    with nginx.connect(SITES[0]):  # a worker with a connection goes on with that one
        os.kill(first, signal.SIGKILL)
        nginx.clock.advance(minutes=16)
        nginx.apply()
        assert nginx.master not in {None, first}
        nginx.assert_served(*SITES)
    nginx.renew()
    nginx.assert_served(*SITES)


def test_one_that_ends_again_and_again_is_started_after_pauses_that_grow(nginx):
    """The first time at once; a person is not kept waiting."""

    def dies(seconds: float, **options) -> int:
        nginx.kill("nginx")
        nginx.clock.advance(seconds=seconds)
        nginx.runner.ran.clear()
        nginx.apply(recheck=Recheck.SAMPLE, **options)
        return nginx.runner.count("start_nginx")

    assert dies(1) == 1
    assert dies(1) == 0, "5 seconds after the second start"
    assert waits(nginx) == []
    nginx.clock.advance(seconds=5)
    nginx.apply()
    nginx.assert_served(*SITES)
    (said,) = waits(nginx)
    assert said.cause == "It ends again and again: the agent has started it 3 times in a row."
    assert dies(1, retry=True) == 1, "a person asks"
    nginx.clock.advance(hours=1)
    assert dies(1) == 1, "it has run steadily"
    assert waits(nginx) == []


def waits(box):
    status = report(read_snapshot(box.layout, box.clock()), box.clock())
    return [each.problem for each in status.findings if each.problem.code == "status.ends_again"]


def test_what_is_remembered_of_starts_holds_nothing_back_where_the_clock_was_wrong():
    now = datetime(2026, 11, 30, tzinfo=UTC)
    assert not Restart("nginx", 9, now + timedelta(days=1)).pause.holds(now)
    assert not Restart("nginx", 9, now + timedelta(days=1)).counts(now)
    assert started_again(Restart("nginx", 9, now - timedelta(hours=1)), "nginx", now).count == 1


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "1", '{"nginx": 1}', '{"nginx": ["x", "y"]}', '{"nginx": [1, "2026"]}']
)
def test_starts_that_can_not_be_read_are_none(text):
    class Remembered:
        def meta(self, key):
            return text

    assert read_restarts(Remembered()) == {}


def test_a_service_that_serves_is_left_alone_by_its_start(nginx):
    patterns = [str(nginx.layout.run / "*-generation.sock")]
    before = nginx.master
    end_orphans(patterns)
    nginx.assert_served(SITES[0])
    assert nginx.master == before


BELOW_ANOTHER_ROOT = """
import os, socket, sys
os.chroot(sys.argv[1])
os.makedirs(os.path.dirname(sys.argv[2]))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()
print("listens", flush=True)
sys.stdin.read()
"""


@pytest.mark.root
def test_a_socket_of_the_same_path_below_another_root_is_nobody_s_to_end_or_to_wait_for(tmp_path):
    path = str(tmp_path / "run" / "proxy-1-generation.sock")
    argv = ["nginx: worker process", "-c", BELOW_ANOTHER_ROOT, str(tmp_path), path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, executable=os.path.realpath(sys.executable), **pipes) as other:
        try:
            assert other.stdout.readline() == "listens\n"
            end_orphans([path])
            assert other.poll() is None
        finally:
            other.kill()


def test_what_a_service_is_to_start_with_is_made_again_where_it_was_deleted(tunnel):
    tunnel.stop("toyd")
    tunnel.clock.advance(minutes=16)
    tunnel.apply()
    shutil.rmtree(tunnel.layout.modules)
    tunnel.clock.advance(minutes=2)
    tunnel.apply()
    tunnel.start("toyd", tunnel.layout.module("tunnel").live / "toyd.conf")
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
