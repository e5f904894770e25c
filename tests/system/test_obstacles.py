"""What stands in the way of a path is named, with the command that takes it away."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from agent.system.obstacles import Obstacle, mount_of, obstacle


def failing(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def test_a_directory_in_the_place_of_a_file(tmp_path: Path):
    path = tmp_path / "live"
    path.mkdir()
    expected = Obstacle(str(path), "a directory is in its place", f"Move it away: mv {path} {path}.found")
    assert obstacle(path, failing(errno.EISDIR)) == expected


def test_a_file_in_the_place_of_a_directory_above(tmp_path: Path):
    parent = tmp_path / "mail"
    parent.touch()
    expected = Obstacle(str(parent), "a file is where a directory belongs", f"Move it away: mv {parent} {parent}.found")
    assert obstacle(parent / "7/mail.pem", failing(errno.ENOTDIR)) == expected


@pytest.mark.root
@pytest.mark.parametrize("at", ["key.pem", "."])
def test_what_nobody_may_change(tmp_path: Path, at: str, request: pytest.FixtureRequest):
    path = tmp_path / "key.pem"
    path.touch()
    flagged = tmp_path / at
    subprocess.run(["chattr", "+i", str(flagged)], check=True)
    request.addfinalizer(lambda: subprocess.run(["chattr", "-i", str(flagged)], check=True))
    expected = Obstacle(str(flagged), "it is immutable (chattr +i)", f"Allow changes: chattr -i {flagged}")
    assert obstacle(path, failing(errno.EPERM)) == expected


def test_a_full_disk(tmp_path: Path):
    mount = mount_of(tmp_path)
    expected = Obstacle(str(tmp_path), "no space left on device", f"Make room there (df -h {mount}; df -i {mount})")
    assert obstacle(tmp_path, failing(errno.ENOSPC)) == expected


def test_a_file_system_that_may_only_be_read_is_named_by_its_mount():
    found = obstacle(Path("/proc/version"), failing(errno.EROFS))
    assert found.reason == "the file system at /proc is mounted read-only"
    assert found.cure == "Mount it for writing: mount -o remount,rw /proc"


def test_anything_else_is_said_in_the_words_of_the_system(tmp_path: Path):
    path = tmp_path / "missing"
    assert obstacle(path, failing(errno.ENOENT)) == Obstacle(
        str(path), "no such file or directory", f"See what is there: ls -ld {path}"
    )
