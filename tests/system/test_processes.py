"""Who listens, and whether a number is still that of the process that it was of."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store.processes import is_alive, process_name
from agent.system.clock import Clock
from agent.system.clock_offsets import clock_offset
from agent.system.command import Signal, SystemRunner
from agent.system.listeners import MOST_FILES, listeners, pids_by_user, processes_of, user_of
from agent.system.paths import PRIVATE
from agent.system.processes import NoProcess, handle_of, is_running, parents_only, process_of, started_at, ticks_of
from support.waiting import until

NOBODY = 65534

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


@pytest.mark.root
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
    assert process_of(pid_file) == os.getpid()
    before = started_at(os.getpid()) - 60
    os.utime(pid_file, (before, before))
    assert process_of(pid_file) is None


def test_a_number_that_nobody_has_is_nobody(tmp_path):
    assert process_of(tmp_path / "none.pid") is None
    (tmp_path / "odd.pid").write_text("x")
    assert process_of(tmp_path / "odd.pid") is None


def test_a_process_is_not_older_than_its_start():
    with subprocess.Popen(["sleep", "60"]) as child:
        assert abs(started_at(child.pid) - time.time()) < 30
        assert parents_only([os.getpid(), child.pid]) == {os.getpid()}
        child.kill()


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def why(pid_file: Path) -> str:
    with pytest.raises(NoProcess) as caught, handle_of(pid_file):
        pass
    return str(caught.value)


def test_a_process_that_is_younger_than_the_pid_file_gets_no_signal(tmp_path, innocent):
    pid_file = tmp_path / "daemon.pid"
    pid_file.write_text(f"{innocent.pid}\n")
    before = started_at(innocent.pid) - 60
    os.utime(pid_file, (before, before))
    result = SystemRunner().run(Signal(pid_file, name="KILL"))
    assert (result.ok, result.missing) == (False, True)
    assert result.output == f"{pid_file} names pid {innocent.pid}, which is another process: it started later"
    assert innocent.poll() is None


def test_a_clock_that_was_set_makes_nobody_another_process(tmp_path, innocent):
    pid_file = tmp_path / "daemon.pid"
    pid_file.write_text(f"{innocent.pid}\n")
    long_ago = started_at(innocent.pid) - 56 * 365 * 86400 + 1
    os.utime(pid_file, (long_ago, long_ago))
    assert process_of(pid_file, tmp_path) is None
    memory = tmp_path / PRIVATE / "clock"
    memory.parent.mkdir(parents=True)
    clock = Clock(tmp_path)
    clock.note()
    noted = json.loads(memory.read_text())
    assert [abs(each - clock_offset()) < 1 for each in noted["offsets"]] == [True]
    noted["offsets"].append(clock_offset() - 56 * 365 * 86400)
    memory.write_text(json.dumps(noted))
    assert process_of(pid_file, tmp_path) == innocent.pid
    before = memory.read_text()
    clock.note()
    assert memory.read_text() == before, "what is known is not noted again"
    memory.write_text(json.dumps(noted | {"boot": "another boot"}))
    assert process_of(pid_file, tmp_path) is None


@pytest.mark.parametrize("kind", ["pipe", "link", "large", "device"])
def test_what_is_no_pid_file_is_read_at_once_as_none(tmp_path, innocent, kind):
    pid_file, real = tmp_path / "daemon.pid", tmp_path / "real.pid"
    real.write_text(f"{innocent.pid}\n" + "x" * 5000 * (kind == "large"))
    match kind:
        case "pipe":
            os.mkfifo(pid_file)
        case "link":
            pid_file.symlink_to(real)
        case "device":
            pid_file = Path("/dev/zero")
        case _:
            pid_file = real
    assert why(pid_file).startswith(f"{pid_file} is not believed: it is ")
    assert SystemRunner().run(Signal(pid_file, name="KILL")).missing
    assert innocent.poll() is None


@pytest.mark.parametrize("place", ["file", "directory"])
def test_a_number_that_every_user_could_have_written_is_not_believed(tmp_path, innocent, place):
    pid_file = tmp_path / "run/daemon.pid"
    pid_file.parent.mkdir()
    pid_file.write_text(f"{innocent.pid}\n")
    opened = pid_file if place == "file" else pid_file.parent
    opened.chmod(0o777)
    it = "it" if place == "file" else f"the directory {opened}"
    assert why(pid_file) == f"{pid_file} is not believed: every user can write to {it} (mode 0777); chmod go-w {opened}"


@pytest.mark.root
def test_a_user_can_name_his_own_processes_only(tmp_path, innocent):
    pid_file = tmp_path / "run/daemon.pid"
    pid_file.parent.mkdir()
    pid_file.write_text(f"{innocent.pid}\n")
    os.chown(pid_file.parent, NOBODY, NOBODY)
    reason = f"{pid_file} names pid {innocent.pid}, which isn't of the user who can write that file"
    assert why(pid_file) == reason
    result = SystemRunner().run(Signal(pid_file, name="KILL"))
    assert result.output == reason
    with subprocess.Popen(["sleep", "600"], user=NOBODY) as theirs:
        pid_file.write_text(f"{theirs.pid}\n")
        assert SystemRunner().run(Signal(pid_file, name="TERM")).ok
        assert theirs.wait(20) == -signal.SIGTERM
    assert innocent.poll() is None


def test_a_process_is_known_by_its_number_and_its_start(innocent):
    ticks = ticks_of(innocent.pid)
    assert is_running(innocent.pid, ticks)
    assert not is_running(innocent.pid, ticks - 1)
    innocent.kill()
    until(lambda: not is_running(innocent.pid, ticks), what="it has ended, though nobody has waited for it")


def test_a_name_of_a_process_that_has_its_number_from_another_one_is_of_none_that_lives():
    name = process_name()
    assert is_alive(name)
    assert not is_alive(name.partition("/")[0]), "as releases before wrote it: another process may have the number"
    assert not is_alive(f"{name}0")
    assert not is_alive(name.replace("@", "@x"))
