"""Writing of files that are complete, durable and of the right owner and mode from the start."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.system.writing import create, flush_directory, flush_file_system, make_directory, replace, write_new

SECRET = b"a private key\n"


@pytest.fixture(autouse=True)
def no_umask():
    """The mode must not depend on the umask of the process that starts the agent."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def seen_at_every_line(directory: Path, work: Callable[[], object]) -> list[tuple[str, int, int, bytes]]:
    """Run `work` and return name, mode, group and content of every file in `directory`, as it was after each line."""
    seen: set[tuple[str, int, int, bytes]] = set()

    def look(_frame, _event, _argument):
        for path in directory.rglob("*"):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
                seen.add((path.name, stat.S_IMODE(status.st_mode), status.st_gid, content))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        work()
    finally:
        sys.settrace(before)
    look(None, None, None)
    return sorted(seen)


WAYS = {
    "write_new": lambda path: write_new(path, SECRET, mode=0o600),
    "write_new without a flush": lambda path: write_new(path, SECRET, mode=0o600, flush=False),
    "create": lambda path: create(path, SECRET),
    "replace": lambda path: replace(path, SECRET, mode=0o600),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_never_readable_by_others_not_even_for_an_instant(tmp_path: Path, way: str):
    path = tmp_path / "key.pem"
    seen = seen_at_every_line(tmp_path, lambda: WAYS[way](path))
    assert len(seen) > 1, "it was seen before it was complete"
    assert {mode for _, mode, _, _ in seen} == {0o600}
    assert path.read_bytes() == SECRET
    assert list(tmp_path.iterdir()) == [path]


def test_a_group_may_read_only_when_it_is_the_right_one(tmp_path: Path):
    group = os.getgid() + 1 if os.geteuid() == 0 else os.getgid()
    path = tmp_path / "key.pem"
    seen = seen_at_every_line(tmp_path, lambda: write_new(path, SECRET, mode=0o640, group=group))
    assert {(each_mode, each_group) for _, each_mode, each_group, _ in seen if each_mode & 0o040} == {(0o640, group)}
    assert {content for _, each_mode, _, content in seen if each_mode != 0o640} == {b""}
    assert path.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("way", ["create", "replace"])
def test_whoever_looks_sees_the_whole_file_or_the_one_before_it(tmp_path: Path, way: str):
    path = tmp_path / "key.pem"
    if way == "replace":
        path.write_bytes(b"before")
    seen = seen_at_every_line(tmp_path, lambda: WAYS[way](path))
    assert {content for name, _, _, content in seen if name == path.name} <= {b"before", SECRET}
    assert path.read_bytes() == SECRET


@pytest.mark.parametrize("way", ["write_new", "create"])
def test_what_stands_there_is_not_overwritten(tmp_path: Path, way: str):
    path = tmp_path / "key.pem"
    path.write_bytes(b"before")
    with pytest.raises(FileExistsError):
        WAYS[way](path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_hard_links_gets_a_whole_file_and_keeps_what_is_there(tmp_path: Path):
    """As FAT does: link(2) fails with EPERM there, and chmod(2) may."""
    script = (
        "import errno, sys; from pathlib import Path; from agent.system.writing import create\n"
        "def refuse(event, _):\n"
        "    if event in ('os.link', 'os.chmod'): raise OSError(errno.EPERM, 'no links here')\n"
        "sys.addaudithook(refuse)\n"
        "for data in (b'first', b'second'):\n"
        "    try: create(Path(sys.argv[1]), data)\n"
        "    except FileExistsError as error: print(error.strerror)"
    )
    path = tmp_path / "backup"
    said = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout == "File exists\n"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_is_not_followed(tmp_path: Path, way: str, dangling: bool):
    target, directory = tmp_path / "target", tmp_path / "directory"
    directory.mkdir()
    if not dangling:
        target.write_bytes(b"untouched")
    path = directory / "key.pem"
    path.symlink_to(target)
    if way == "replace":
        replace(path, SECRET, mode=0o600)
        assert not path.is_symlink()
    else:
        with pytest.raises(FileExistsError):
            WAYS[way](path)
    assert target.exists() is not dangling
    assert dangling or target.read_bytes() == b"untouched"


def test_what_a_crash_left_beside_a_file_does_not_stop_its_replacement(tmp_path: Path):
    path = tmp_path / "root.sealed"
    (tmp_path / ".root.sealed.new").symlink_to(tmp_path / "elsewhere")
    replace(path, SECRET, mode=0o600)
    assert path.read_bytes() == SECRET
    assert [each.name for each in tmp_path.iterdir()] == ["root.sealed"]


def test_half_a_file_is_not_left_behind_when_writing_fails(tmp_path: Path):
    with pytest.raises(TypeError):
        write_new(tmp_path / "key.pem", "text instead of bytes", mode=0o600)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path):
    script = (
        "import resource, signal, sys; from pathlib import Path; from agent.system.writing import replace, write_new\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "for way in (write_new, replace):\n"
        "    try: way(Path(sys.argv[1]), b'x' * 100, mode=0o600)\n"
        "    except OSError as error: print(error.strerror)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "key.pem")], capture_output=True, text=True, check=True
    )
    assert said.stdout == "File too large\nFile too large\n"
    assert list(tmp_path.iterdir()) == []


# Directories


@pytest.mark.parametrize("wanted", [0o700, 0o711, 0o750])
def test_a_directory_has_its_mode_also_when_it_was_there(tmp_path: Path, wanted: int):
    path = tmp_path / "state"
    make_directory(path, mode=wanted)
    assert mode(path) == wanted
    path.chmod(0o777)
    make_directory(path, mode=wanted)
    assert mode(path) == wanted


def test_a_directory_belongs_to_its_group_before_the_group_may_enter(tmp_path: Path):
    group = os.getgid() + 1 if os.geteuid() == 0 else os.getgid()
    path = tmp_path / "mail"
    seen: set[tuple[int, int]] = set()

    def look(_frame, _event, _argument):
        if path.exists():
            seen.add((mode(path), path.stat().st_gid))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        make_directory(path, mode=0o750, group=group)
    finally:
        sys.settrace(before)
    assert (0o700, os.getgid()) in seen
    assert {each_group for each_mode, each_group in seen if each_mode & 0o050} == {group}


def test_a_file_where_a_directory_belongs_is_not_touched(tmp_path: Path):
    path = tmp_path / "state"
    write_new(path, SECRET, mode=0o600)
    with pytest.raises(FileExistsError):
        make_directory(path, mode=0o711)
    assert mode(path) == 0o600


def test_directories_and_file_systems_can_be_flushed(tmp_path: Path):
    flush_directory(tmp_path)
    flush_file_system(tmp_path)
    with pytest.raises(NotADirectoryError):
        flush_directory(Path("/dev/null"))
