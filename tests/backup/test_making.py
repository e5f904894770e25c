"""A backup is a new file of mode 0600 behind a good passphrase, and says what is not in it."""

import os
import pty
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.backup.database_copy import CARRIED, DEPLOYED, MOMENTARY
from agent.backup.machine import differences, machine_of
from agent.backup.making import new_file
from agent.backup.manifest import Machine, ModuleFacts
from agent.backup.settings_files import SettingsFiles
from agent.model.events import Event, EventKind
from agent.system.release import version
from support.appliances.carried import PASSPHRASE, backed_up, command, parts_of, passphrase_file, tree
from support.clients.terminal import PROGRAM
from support.processes import prepared


def made(tunnel, *arguments):
    return command(tunnel.root, "backup", *arguments, "--passphrase-file", passphrase_file(tunnel.root))


def test_it_is_a_new_file_that_nobody_else_can_read(tunnel):
    said = made(tunnel, file := tunnel.root / "gateway.backup")
    assert (said.returncode, said.stdout) == (0, "")
    assert said.stderr == f"{file}: 1 chain, 1 root\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    said = made(tunnel, file)
    assert said.returncode == 1
    assert said.stderr == (
        f"Error: {file}: The backup can't be written: there is a file of this name.\n"
        "Nothing was changed. Choose another name or another place; a file that is there is never replaced.\n"
    )
    assert file.read_bytes() == content
    assert [path.name for path in tunnel.root.glob("*backup*")] == [file.name]
    assert not [path for path in tunnel.layout.private.iterdir() if "backup" in path.name]


def test_what_one_that_was_killed_has_left_goes_and_one_that_is_written_now_stays(tmp_path):
    file, hour = tmp_path / "gateway.backup", 3600
    left, now, another = (
        tmp_path / f".{name}" for name in (f"{file.name}.{'0a' * 8}", f"{file.name}.{'0b' * 8}", f"other.{'0a' * 8}")
    )
    for path in (left, another, now):
        path.touch()
    for path in (left, another):
        os.utime(path, times=(time.time() - hour, time.time() - hour))
    with new_file(file, tmp_path) as target:
        target.write(b"all of it")
    assert {*tmp_path.iterdir()} == {file, another, now}


def test_to_a_pipe_for_what_keeps_no_modes(tunnel):
    argv = ["--root", tunnel.root, "backup", "-", "--passphrase-file", passphrase_file(tunnel.root)]
    piped = tunnel.root / "piped"
    with piped.open("wb") as out, prepared.start([*PROGRAM[1:], *argv], stdout=out) as process:
        assert process.wait(60) == 0
    assert parts_of(piped)[0]["machine"]["counts"]["chains"] == 1


def test_on_a_terminal_the_passphrase_is_asked_for_twice(tunnel):
    file = tunnel.root / "typed"
    ours, theirs = pty.openpty()
    argv = [*PROGRAM[1:], "--root", tunnel.root, "backup", file]
    with prepared.start(argv, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = ""
        for typed in (PASSPHRASE, "another passphrase", PASSPHRASE, PASSPHRASE):
            shown += asked(ours)
            os.write(ours, f"{typed}\n".encode())
        assert process.wait(60) == 0
    os.close(ours)
    assert "The two entered values do not match." in shown
    assert PASSPHRASE not in shown
    assert parts_of(file)


def asked(terminal: int) -> str:
    """Read what is printed until something is asked for."""
    shown = ""
    while not shown.endswith(": "):
        shown += os.read(terminal, 1000).decode()
    return shown


def test_standard_output_that_takes_no_more_is_told(tunnel):
    argv = ["--root", tunnel.root, "backup", "-", "--passphrase-file", passphrase_file(tunnel.root)]
    said = tunnel.root / "said"
    with (
        Path("/dev/full").open("wb") as full,
        said.open("wb") as errors,
        prepared.start([*PROGRAM[1:], *argv], stdout=full, stderr=errors) as process,
    ):
        assert process.wait(60) == 1
    assert said.read_text() == (
        "Error: standard output: The backup can't be written: no space left on device.\n"
        "Nothing was changed. Choose another name or another place; a file that is there is never replaced.\n"
    )


def test_a_damaged_database_makes_no_backup_that_could_not_be_restored(tunnel):
    with tunnel.store() as store:
        store.database.execute("pragma wal_checkpoint(truncate)")
        (page,) = store.database.execute("select rootpage from sqlite_master where name = 'ledger'").fetchone()
        (size,) = store.database.execute("pragma page_size").fetchone()
    with tunnel.layout.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))
    said = made(tunnel, tunnel.root / "f")
    assert said.returncode == 1
    assert "chainwright.db: The database is damaged: " in said.stderr
    assert not (tunnel.root / "f").exists()


@pytest.mark.parametrize(
    ("passphrase", "reason"),
    [("short words", "it has 11 characters, and at least 12 are needed"), ("a" * 20, "it would be guessed at once")],
)
def test_a_weak_passphrase_is_refused_before_anything_is_read(tunnel, passphrase, reason):
    path = passphrase_file(tunnel.root, passphrase)
    before = tree(tunnel.layout.state)
    said = command(tunnel.root, "backup", tunnel.root / "f", "--passphrase-file", path)
    assert said.returncode == 1
    assert reason in said.stderr
    assert not (tunnel.root / "f").exists()
    assert tree(tunnel.layout.state) == before


def test_without_a_terminal_the_passphrase_is_in_a_file(tunnel):
    said = command(tunnel.root, "backup", tunnel.root / "f")
    assert said.stderr == (
        "Error: There is no terminal on which the passphrase of the backup could be typed.\n"
        "Nothing was changed. Write it to a file of mode 0600 and add --passphrase-file FILE.\n"
    )


def test_what_can_not_be_carried_is_named(tunnel):
    (tunnel.layout.etc / "large.pem").write_bytes(bytes(5 * 1024 * 1024))
    os.mkfifo(tunnel.layout.etc / "pipe")
    outside = tunnel.root / "srv" / "token"
    outside.parent.mkdir()
    outside.write_text("secret")
    with tunnel.layout.settings.open("a") as file:
        file.write('[plugins.any]\ntoken_file = "/srv/token"\n')
    said = made(tunnel, tunnel.root / "f")
    assert said.returncode == 3
    assert said.stderr.splitlines()[:3] == [
        f"Left out: {tunnel.layout.etc}/large.pem: it is larger than 4194304 bytes",
        f"Left out: {tunnel.layout.etc}/pipe: it is not a regular file",
        "Not in it, as it lies outside of /etc/chainwright: /srv/token",
    ]
    manifest, _ = parts_of(tunnel.root / "f")
    assert manifest["machine"]["elsewhere"] == ["/srv/token"]


def test_every_table_is_carried_or_left_for_a_reason(tunnel):
    with tunnel.store() as store:
        tables = {row[0] for row in store.database.execute("select name from sqlite_master where type = 'table'")}
    assert tables - {"_sqlite_migrations", "sqlite_sequence"} == {*CARRIED, *DEPLOYED, *MOMENTARY}
    assert len(CARRIED) + len(DEPLOYED) + len(MOMENTARY) == len({*CARRIED, *DEPLOYED, *MOMENTARY})


def test_it_is_consistent_while_somebody_writes(tunnel):
    """The copy is that of one instant: SQLite's online backup starts again where another connection has written."""
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_write_pairs, tunnel, ended)
        file = backed_up(tunnel)
        ended.set()
        assert writing.result() > 1
    _, contents = parts_of(file)
    (tunnel.root / "copy.db").write_bytes(contents["database"])
    with sqlite3.connect(tunnel.root / "copy.db") as copy:
        assert copy.execute("pragma integrity_check").fetchone() == ("ok",)
        assert copy.execute("select key from meta").fetchall() == [("key_check",)]
        pairs = copy.execute("select text, count(*) from events where text like 'pair %' group by text").fetchall()
    assert pairs
    assert {count for _, count in pairs} == {2}


def _write_pairs(tunnel, ended: threading.Event) -> int:
    """Write two events in each transaction, until it has ended; return how many there were."""
    number = 0
    with tunnel.store() as store:
        while not ended.wait(0.01):
            number += 1
            with store.write():
                for _ in range(2):
                    store.journal.add(Event(at=tunnel.clock(), kind=EventKind.STEP, text=f"pair {number}"))
    return number


def test_what_differs_on_another_machine(tunnel):
    with tunnel.store() as store:
        here = machine_of(store, tunnel.layout)
    assert differences(here, tunnel.layout) == []
    there = Machine(
        hostname="gw2",
        addresses=("192.0.2.7", *here.addresses),
        release="0.0.9",
        plugins=(*here.plugins, "captive"),
        elsewhere=("/srv/token",),
        modules=(
            ModuleFacts(
                "proxy",
                "reverse_proxy",
                {},
                users=("nobody-here",),
                groups=("none-here",),
                programs=("/usr/sbin/not-installed",),
                addresses=("192.0.2.7:443", "0.0.0.0:8443", "unix:/run/x.sock", f"127.0.0.1:{tunnel.port}"),
                listeners={str(tunnel.port): "nginx"},
            ),
        ),
    )
    name = next(iter(here.modules)).listeners[str(tunnel.port)]
    assert differences(there, tunnel.layout) == [
        f"The host name is {socket.gethostname()}; it was gw2.",
        "Addresses that are not here: 192.0.2.7.",
        f"The release is {version()}; it was 0.0.9.",
        "The plugin captive is not installed here.",
        "The settings name /srv/token, which is not in the backup and not here.",
        "proxy: there is no user nobody-here.",
        "proxy: there is no group none-here.",
        "proxy: /usr/sbin/not-installed is not installed.",
        "proxy: 192.0.2.7:443 is at an address that is not here.",
        f"proxy: {name} listens at port {tunnel.port}; it was nginx.",
    ]


@pytest.mark.parametrize("word", ["backup", "restore"])
def test_without_enough_memory_it_says_how_much_it_takes(tunnel, word):
    """150 MiB of addresses hold the interpreter, not the derivation of a key as well."""
    file = tunnel.root / "new" if word == "backup" else backed_up(tunnel)
    more = ["--dry-run"] if word == "restore" else []
    call = [*PROGRAM, "--root", tunnel.root, word, file, *more, "--passphrase-file", passphrase_file(tunnel.root)]
    argv = ["prlimit", f"--as={150 * 2**20}", *map(str, call)]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode != 0
    assert "deriving the key takes 128 megabytes of memory, which is not there." in said.stderr


def test_links_that_lead_in_a_circle_are_passed_over(tunnel):
    for name in ("a", "b", "c"):
        (tunnel.layout.etc / name).symlink_to(".")
    settings = SettingsFiles.collect(tunnel.layout)
    names = {path.name for path in tunnel.layout.etc.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {Path(each).name for each in settings.contents} == names
    assert len(settings.parts) == len(names)


def test_a_file_in_a_directory_that_was_shut_is_shut_itself_afterwards(tunnel):
    for directory, mode, file_mode in (("shut", 0o700, 0o644), ("group", 0o750, 0o755), ("open", 0o755, 0o644)):
        path = tunnel.layout.etc / directory / "deep" / directory
        path.parent.mkdir(parents=True)
        path.touch()
        path.chmod(file_mode)
        path.parents[1].chmod(mode)
    modes = {part.path: part.mode for part in SettingsFiles.collect(tunnel.layout).parts}
    found = {name: modes[f"etc/{name}/deep/{name}"] for name in ("shut", "group", "open")}
    assert found == {"shut": 0o600, "group": 0o750, "open": 0o644}
