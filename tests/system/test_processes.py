"""Who listens, and whether a number is still that of the process that it was of."""

import os
import socket
import subprocess
import sys
import time

import pytest

from agent.system.listeners import MOST_FILES, listeners, pids_by_user, processes_of, user_of
from agent.system.processes import daemon_of, parents_only, started_at
from support.waiting import until

SITTER = """
import os, socket, sys
held = [os.dup(0) for _ in range(int(sys.argv[1]))]
listener = socket.create_server(("127.0.0.1", 0))
print(os.fstat(listener.fileno()).st_ino, flush=True)
input()
"""


@pytest.mark.parametrize(("before", "found"), [(10, True), (MOST_FILES, False)])
def test_of_very_many_open_files_only_the_first_are_looked_at(before, found):
    argv = [sys.executable, "-c", SITTER, str(before)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sitter:
        assert sitter.stdout is not None
        inode = int(sitter.stdout.readline())
        assert (sitter.pid in processes_of({inode})) is found
        sitter.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_processes_of_the_system_are_looked_at_before_those_of_people():
    with (
        subprocess.Popen(["setpriv", "--reuid=54321", "--clear-groups", "sleep", "60"]) as person,
        subprocess.Popen(["sleep", "60"]) as own,
    ):
        until(lambda: user_of(person.pid) == 54321)
        order = pids_by_user()
        assert person.pid < own.pid
        assert order.index(own.pid) < order.index(person.pid)
        person.kill()
        own.kill()


def test_when_time_has_run_out_nobody_is_found():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert processes_of({os.fstat(listener.fileno()).st_ino}, patience=0.0) == {}


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
@pytest.mark.parametrize(
    ("kind", "protocol"), [(socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP)]
)
def test_the_kernel_tells_who_listens_and_this_process_is_found(family, host, kind, protocol):
    with socket.socket(family, kind) as listener:
        listener.bind((host, 0))
        if kind is socket.SOCK_STREAM:
            listener.listen()
        port = listener.getsockname()[1]
        ((found, at, address, inode),) = [each for each in listeners({port}) if each[0] == protocol]
        assert (found, at, address) == (protocol, port, socket.inet_pton(family, host))
        assert inode == os.fstat(listener.fileno()).st_ino
        assert os.getpid() in processes_of({inode})
    assert [each for each in listeners({port}) if each[3] == inode] == []


def test_a_process_that_has_taken_over_the_number_of_another_is_not_that_one(tmp_path):
    pid_file = tmp_path / "daemon.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    assert daemon_of(pid_file) == os.getpid()
    before = started_at(os.getpid()) - 60
    os.utime(pid_file, (before, before))
    assert daemon_of(pid_file) is None


def test_a_number_that_nobody_has_is_nobody(tmp_path):
    assert daemon_of(tmp_path / "none.pid") is None
    (tmp_path / "odd.pid").write_text("x")
    assert daemon_of(tmp_path / "odd.pid") is None


def test_a_process_is_not_older_than_its_start():
    with subprocess.Popen(["sleep", "60"]) as child:
        assert abs(started_at(child.pid) - time.time()) < 30
        assert parents_only([os.getpid(), child.pid]) == {os.getpid()}
        child.kill()
