"""Who listens, and whether a number is still that of the process that it was of."""

import os
import socket
import subprocess
import time

import pytest

from agent.system.listeners import listeners, processes_of
from agent.system.processes import daemon_of, parents_only, started_at


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
