"""What is no backup, or not a whole one, is told for what it is, and nothing changes."""

import io
import os
import random
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.auth.person import Actor
from agent.backup.archive import put, put_end
from agent.backup.restoring import look_into, restore
from agent.errors.backup import BackupDamaged, BackupError, BackupTooNew, NotABackup
from agent.errors.store import DatabaseTooNew, MasterKeyOfAnother
from agent.errors.usage import InputUnreadable
from support.appliances.api import make_tunnel
from support.appliances.carried import (
    PASSPHRASE,
    another_machine,
    backed_up,
    parts_of,
    restored,
    tree,
    write_age,
    write_backup,
)
from support.appliances.deployed import Deployed

TRIES = int(os.environ.get("BACKUPS_DAMAGED", "400"))
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A backup that is cheap to open, as manifest and parts too."""
    directory = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        appliance = Deployed(directory)
        patch.setenv("PATH", appliance.path)
        make_tunnel(appliance)
        manifest, contents = parts_of(backed_up(appliance))
        appliance.close()
    return write_backup(directory / "cheap.backup", manifest, contents), manifest, contents


@pytest.fixture
def other():
    with another_machine() as machine:
        yield machine


def refused(other: Deployed, file: Path, passphrase: str = PASSPHRASE) -> Exception:
    """Restore what can't be, and return the error; nothing has changed but that there is a place for locks."""
    before = tree(other.layout.etc, other.layout.modules)
    with pytest.raises((BackupError, DatabaseTooNew, MasterKeyOfAnother, InputUnreadable)) as caught:
        restore(
            other.layout, file, passphrase.encode(), replace=False, actor=Actor("ann", "command"), now=NOW, wait=0.0
        )
    assert tree(other.layout.etc, other.layout.modules) == before
    assert {path.name for path in other.layout.private.iterdir()} == {"lock", "daemon.lock"}
    assert [path.name for path in other.layout.state.iterdir()] == ["private"]
    return caught.value


def test_bytes_that_were_changed_anywhere(good, other):
    file, _, _ = good
    data = file.read_bytes()
    changed = other.root / "changed.backup"
    chosen = random.Random(13)
    for _ in range(TRIES):
        copy = bytearray(data)
        for _ in range(chosen.choice((1, 1, 1, 40))):
            copy[chosen.randrange(len(copy))] ^= chosen.randrange(1, 256)
        changed.write_bytes(copy)
        with pytest.raises(BackupError) as caught:
            look_into(other.layout, changed, PASSPHRASE.encode())
        assert caught.value.problem.where == str(changed)
    assert look_into(other.layout, file, PASSPHRASE.encode()).manifest.machine.modules


def test_files_that_were_cut_off_anywhere(good, other):
    data = good[0].read_bytes()
    cut = other.root / "cut.backup"
    chosen = random.Random(14)
    for size in (*range(0, 300, 7), *(chosen.randrange(len(data)) for _ in range(TRIES // 4))):
        cut.write_bytes(data[:size])
        with pytest.raises(BackupDamaged):
            look_into(other.layout, cut, PASSPHRASE.encode())


def test_a_damaged_one_is_told_before_anything_changes(good, other):
    file = other.root / "changed.backup"
    data = bytearray(good[0].read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert isinstance(refused(other, file), BackupDamaged)


def test_another_passphrase(good, other):
    assert str(refused(other, good[0], "something else entirely")) == (
        f"{good[0]}: The passphrase is not the one with which the backup was made, "
        "or the beginning of the file was changed.\n"
        "Nothing was changed. Try again with the passphrase of that day."
    )


def test_an_age_file_of_another_program(other):
    file = write_age(other.root / "photos.age", lambda target: target.write(b"holiday" * 1000))
    assert refused(other, file).problem.cause == (
        "The file is no backup of Chainwright: it is an age file of another program."
    )


def test_a_tar_file_of_another_program(other):
    def fill(target):
        put(target, "manifest.json", 2, io.BytesIO(b"{}"))
        put_end(target)

    assert isinstance(refused(other, write_age(other.root / "other.age", fill)), NotABackup)


def test_a_later_form(good, other):
    _, manifest, contents = good
    file = write_backup(other.root / "later.backup", {**manifest, "format": 2}, contents)
    error = refused(other, file)
    assert isinstance(error, BackupTooNew)
    assert error.problem.cause == "The backup has a form that this release doesn't know (format 2)."


def test_a_database_of_a_later_release_is_refused_in_the_store_s_words(good, other):
    _, manifest, contents = good
    machine = {**manifest["machine"], "migrations": [*manifest["machine"]["migrations"], "m999_later"]}
    error = refused(other, write_backup(other.root / "later.backup", {**manifest, "machine": machine}, contents))
    assert error.problem.cause == "The database was written by a newer version of Chainwright (it knows m999_later)."


def test_a_file_that_is_not_there_or_no_file(other):
    assert refused(other, other.root / "none").problem.cause == "The file can't be read: no such file or directory."
    os.mkfifo(other.root / "pipe")
    assert refused(other, other.root / "pipe").problem.cause == "The file can't be read: it is not a regular file."


def with_part(manifest: dict, **changes: object) -> dict:
    """Return a manifest whose last part is another one."""
    return {**manifest, "parts": [*manifest["parts"][:-1], {**manifest["parts"][-1], **changes}]}


@pytest.mark.parametrize(
    "path",
    [
        *("etc/../../etc/passwd", "etc//x", "/etc/passwd", "etc/", "sealed/../lock", "sealed/lock", "clock", "lock"),
        *("etc/.restoring/x", "etc/before-restore-20261130T000000Z/x", "etc/" + "x" * 300, "etc/a\nb", "database"),
        "etc/chainwright.toml/x",
    ],
)
def test_a_part_that_has_no_place(good, other, path):
    _, manifest, contents = good
    last = list(contents)[-1]
    changed = {**{name: data for name, data in contents.items() if name != last}, path: contents[last]}
    file = write_backup(other.root / "forged.backup", with_part(manifest, path=path), changed)
    assert isinstance(refused(other, file), BackupDamaged)


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"size": 5 * 1024 * 1024},
            {"size": -1},
            {"size": "x"},
            {"size": float("inf")},
            {"sha256": "0" * 64},
            {"sha256": ""},
            {"mode": "rwx"},
        ),
        {"path": 7},
    ],
)
def test_a_manifest_that_says_something_else(good, other, changes):
    _, manifest, contents = good
    file = write_backup(other.root / "forged.backup", with_part(manifest, **changes), contents)
    assert isinstance(refused(other, file), BackupDamaged)


@pytest.mark.parametrize("name", ["made_at", "machine", "parts", "left_out"])
def test_a_manifest_that_lacks_something(good, other, name):
    _, manifest, contents = good
    for value in ({}, {name: None}, {name: 7}):
        changed = {**{key: each for key, each in manifest.items() if key != name}, **value}
        if name != "made_at" or not value:
            file = write_backup(other.root / "forged.backup", changed, contents)
            assert isinstance(refused(other, file), BackupDamaged)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_in_the_container(good, other, kind):
    _, manifest, contents = good

    class Forging:
        """Turns the header of one part into that of something else."""

        def __init__(self, target):
            self.target = target

        def write(self, data):
            if len(data) == 512 and data.startswith(b"master.key\0"):
                entry = tarfile.TarInfo("master.key")
                entry.type, entry.linkname = kind, "/etc/passwd"
                data = entry.tobuf(tarfile.USTAR_FORMAT)
            return self.target.write(data)

    from support.appliances.carried import fill_backup

    file = write_age(other.root / "forged.backup", lambda target: fill_backup(Forging(target), manifest, contents))
    assert isinstance(refused(other, file), BackupDamaged)


def test_more_than_the_manifest_says(good, other):
    _, manifest, contents = good
    more = {**contents, "etc/more.toml": b"x"}
    assert isinstance(refused(other, write_backup(other.root / "f.backup", manifest, more)), BackupDamaged)
    behind = write_backup(other.root / "g.backup", manifest, contents, after=b"x")
    assert isinstance(refused(other, behind), BackupDamaged)


def test_without_the_database_or_the_key(good, other):
    _, manifest, contents = good
    for missing in ("database", "master.key"):
        less = {**manifest, "parts": [each for each in manifest["parts"] if each["path"] != missing]}
        parts = {name: data for name, data in contents.items() if name != missing}
        assert isinstance(refused(other, write_backup(other.root / "f.backup", less, parts)), BackupDamaged)


def test_a_master_key_that_is_a_credential_and_another_one(good, other, tmp_path, monkeypatch):
    (tmp_path / "master-key").write_text("0f" * 32 + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    error = refused(other, good[0])
    assert isinstance(error, MasterKeyOfAnother)
    assert error.problem.where == str(tmp_path / "master-key")
    (tmp_path / "master-key").write_bytes(good[2]["master.key"])
    assert restored(other.root, good[0], "--no-apply").returncode == 0
