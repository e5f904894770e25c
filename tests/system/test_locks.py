"""Who can take the agent's locks, and who is said to hold them."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors.store import LockHeld, StateUnwritable
from agent.system.layout import Layout
from agent.system.lock import held, holder_of

NOBODY = 65534
HOLD = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A place that every user can reach."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Layout(Path(directory))


@contextmanager
def locked_by(path: Path, user: int | None = None) -> Iterator[int]:
    """Another process that takes the flock of a file, as far as its user may open it."""
    argv = ["/usr/bin/python3", "-c", HOLD, str(path)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        if other.stdout.readline() != b"held\n":
            raise PermissionError(other.communicate()[1].decode())
        yield other.pid
        other.stdin.close()


def test_a_lock_is_in_the_directory_that_only_its_owner_may_enter(layout):
    with held(layout.lock, wait=0), held(layout.daemon_lock, wait=0):
        for path, mode in (
            (layout.state, 0o711),
            (layout.private, 0o700),
            (layout.lock, 0o600),
            (layout.daemon_lock, 0o600),
        ):
            assert stat.S_IMODE(path.stat().st_mode) == mode
    assert layout.lock.parent == layout.daemon_lock.parent == layout.private


@pytest.mark.root
def test_another_user_can_not_take_it(layout):
    with held(layout.lock, wait=0):
        pass
    with pytest.raises(PermissionError, match="Permission denied"), locked_by(layout.lock, NOBODY):
        pass


@pytest.mark.root
def test_another_user_who_holds_what_releases_before_had_in_run_stops_nobody(layout):
    layout.run.mkdir(parents=True)
    former = layout.run / layout.lock.name
    former.touch(0o644)
    with locked_by(former, NOBODY):
        assert holder_of(layout.lock) is None
        with held(layout.lock, wait=0):
            pass


def test_an_agent_of_a_release_before_that_still_runs_is_waited_for_and_named(layout):
    layout.run.mkdir(parents=True)
    former = layout.run / layout.lock.name
    former.touch(0o644)
    with locked_by(former) as pid:
        found = holder_of(layout.lock)
        assert found is not None
        assert found.pid == pid
        with pytest.raises(LockHeld, match=rf"pid {pid}, python3 -c"), held(layout.lock, wait=0.1):
            pass
    with held(layout.lock, wait=0):
        assert holder_of(layout.lock).pid == os.getpid()  # type: ignore[union-attr]


def test_it_keeps_an_agent_of_a_release_before_waiting(layout):
    layout.run.mkdir(parents=True)
    former = layout.run / layout.lock.name
    former.touch(0o644)
    with held(layout.lock, wait=0):
        shown = Path(f"/proc/{os.getpid()}/fdinfo").iterdir()
        assert any(f":{former.stat().st_ino} " in each.read_text() for each in shown)


def test_the_kernel_names_the_holder_whatever_is_written_in_the_file(layout):
    with held(layout.lock, wait=0):
        layout.lock.write_text("1 chainwright upload\n")
        found = holder_of(layout.lock)
        assert found is not None
        assert found.pid == os.getpid()
        assert found.title.startswith(f"pid {os.getpid()}, ")
        assert "upload" not in found.title
    assert holder_of(layout.lock) is None


def test_a_command_of_the_agent_is_named_as_it_was_typed(layout):
    code = "import sys; from pathlib import Path; from agent.system.lock import held\n"
    code += "with held(Path(sys.argv[-1]), wait=0): print('held', flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, "-m", "agent", "--root", "/elsewhere", "upload", "chain.pem", str(layout.lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld) as caught, held(layout.lock, wait=0):
            pass
        other.stdin.close()
    assert caught.value.holder == f"pid {other.pid}, chainwright upload chain.pem {layout.lock}"


def test_the_lock_of_a_file_that_was_removed_keeps_nobody_away_and_two_never_hold_it(layout):
    with held(layout.lock, wait=0):
        layout.lock.unlink()
        with held(layout.lock, wait=0):
            assert layout.lock.exists()
            with pytest.raises(LockHeld), held(layout.lock, wait=0):
                pass


def test_a_link_in_its_place_is_not_followed(layout):
    layout.private.mkdir(parents=True)
    other = layout.root / "other"
    layout.lock.symlink_to(other)
    with pytest.raises(StateUnwritable), held(layout.lock, wait=0):
        pass
    assert not other.exists()


def test_what_is_printed_of_a_holder_is_printable(layout):
    argv = [sys.executable, "-c", HOLD + "#\x1b[31m\n", str(layout.lock)]
    with held(layout.lock, wait=0):
        pass
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        title = holder_of(layout.lock).title  # type: ignore[union-attr]
        other.stdin.close()
    assert re.fullmatch(rf"pid {other.pid}, python\S* -c .*", title)
    assert title.isprintable()
