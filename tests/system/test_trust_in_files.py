"""What is read of a path that somebody else could have changed: nothing."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.system.trust import Untrusted, check_directory, read, read_regular

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can reach, with one file two directories below."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o755)
        (root / "etc/conf.d").mkdir(parents=True)
        (root / "etc/conf.d/a.toml").write_text("text")
        yield root


def why(path: Path, **options) -> tuple[str, str]:
    with pytest.raises(Untrusted) as caught:
        read(path, **options)
    return caught.value.reason, caught.value.fix


def test_a_file_of_ones_own_in_directories_of_ones_own_is_read(place):
    content = read(place / "etc/conf.d/a.toml", root=place)
    assert content.data == b"text"
    assert not content.private
    assert read(place / "etc/conf.d/a.toml").data == b"text", "/tmp is open to everybody, but it is sticky"


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o664])
def test_a_file_that_others_can_write_is_not(place, mode):
    path = place / "etc/conf.d/a.toml"
    path.chmod(mode)
    who = "every user" if mode & 2 else "its group"
    assert why(path) == (f"{who} can write to it (mode {mode:04o})", f"chmod go-w {path}")


@pytest.mark.parametrize("directory", ["etc", "etc/conf.d"])
@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_neither_is_one_in_a_directory_at_any_height_that_others_can_write(place, directory, mode):
    parent = place / directory
    parent.chmod(mode)
    who = "every user" if mode & 2 else "its group"
    reason, fix = why(place / "etc/conf.d/a.toml", root=place)
    assert reason == f"{who} can write to the directory {parent} (mode {mode:04o})"
    assert fix == f"chmod go-w {parent}"


def test_nobody_asks_who_may_write_to_the_directories_that_the_root_of_an_appliance_is_in(place):
    (place / "etc").chmod(0o777)
    assert read(place / "etc/conf.d/a.toml", root=place / "etc/conf.d").data == b"text"
    (place / "etc/conf.d").chmod(0o777)
    with pytest.raises(Untrusted):
        read(place / "etc/conf.d/a.toml", root=place / "etc/conf.d")


@pytest.mark.root
@pytest.mark.parametrize("owned", ["etc", "etc/conf.d", "etc/conf.d/a.toml"])
def test_what_belongs_to_another_user_is_not_read(place, owned):
    os.chown(place / owned, NOBODY, NOBODY)
    reason, fix = why(place / "etc/conf.d/a.toml")
    assert f"belongs to the user {NOBODY}, not to root" in reason
    assert fix == f"chown -h root {place / owned}"


@pytest.mark.root
def test_a_file_that_another_user_has_put_into_a_sticky_directory_is_not_read(place):
    (place / "etc").chmod(0o1777)
    code = "import sys; from pathlib import Path; Path(sys.argv[1]).write_text('theirs')"
    subprocess.run(["/usr/bin/python3", "-c", code, place / "etc/theirs"], user=NOBODY, check=True, timeout=60)
    assert "belongs to the user" in why(place / "etc/theirs")[0]
    (place / "etc/mine").write_text("mine")
    assert read(place / "etc/mine").data == b"mine"


def test_a_link_to_a_file_that_is_trusted_itself_is_followed(place):
    (place / "real").mkdir()
    (place / "real/key").write_text("secret")
    (place / "real/key").chmod(0o600)
    link = place / "etc/conf.d/key"
    link.symlink_to("../../real/key")
    assert read(link, closed=0o077).data == b"secret"
    (place / "etc/linked").symlink_to(place / "real")
    assert read(place / "etc/linked/key").data == b"secret"
    with pytest.raises(OSError, match="symbolic link"):
        read(link, follow=False)
    (place / "real").chmod(0o777)
    assert why(link) == (f"every user can write to the directory {place}/real (mode 0777)", f"chmod go-w {place}/real")


@pytest.mark.root
def test_a_link_of_another_user_is_not_followed(place):
    link = place / "etc/conf.d/b.toml"
    link.symlink_to("a.toml")
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    assert why(link) == (f"the link {link} belongs to the user {NOBODY}, not to root", f"chown -h root {link}")


def test_links_in_a_circle_have_an_end(place):
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        read(place / "a")


def test_a_pipe_a_device_and_a_directory_are_errors_and_never_waited_for(place):
    os.mkfifo(place / "pipe")
    for path in (place / "pipe", place / "etc", Path("/dev/zero")):
        with pytest.raises(OSError, match=r"not a regular file|directory"):
            read(path)
        with pytest.raises(OSError, match=r"not a regular file|directory"):
            read_regular(path)


def test_a_file_has_a_bound(place):
    path = place / "etc/large"
    path.write_bytes(b"x" * 101)
    assert len(read(path, largest=101).data) == 101
    for function in (read, read_regular):
        with pytest.raises(OSError, match="larger than 100 bytes"):
            function(path, largest=100)


def test_a_secret_is_nobody_elses_to_read(place):
    path = place / "etc/conf.d/a.toml"
    path.chmod(0o640)
    assert why(path, closed=0o077) == ("other users have access to it (mode 0640)", f"chmod 600 {path}")


def test_a_directory_is_checked_for_itself(place):
    check_directory(place / "etc")
    (place / "etc").chmod(0o777)
    with pytest.raises(Untrusted) as caught:
        check_directory(place / "etc")
    assert caught.value.reason == "every user can write to it (mode 0777)"
    with pytest.raises(FileNotFoundError):
        check_directory(place / "none")


@pytest.mark.root
def test_what_one_user_may_have_written_is_told_to_who_allows_for_that(place):
    os.chown(place / "etc/conf.d", NOBODY, NOBODY)
    content = read(place / "etc/conf.d/a.toml", of_a_user=True)
    assert content.writers == {NOBODY}
    os.chown(place / "etc", NOBODY + 1, NOBODY)
    with pytest.raises(Untrusted):
        read(place / "etc/conf.d/a.toml", of_a_user=True)


@pytest.mark.root
def test_somebody_without_root_trusts_root_and_himself(place):
    (place / "etc/theirs").mkdir()
    (place / "etc/theirs/file").write_text("x")
    for path in (place / "etc/theirs", place / "etc/theirs/file"):
        os.chown(path, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os._exit(read(place / "etc/theirs/file").data != b"x" or read(place / "etc/conf.d/a.toml").data != b"text")
    assert os.waitpid(child, 0)[1] == 0
