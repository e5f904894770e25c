"""What is in place of the store's files, and what was dropped in the database: named or made again, never an unexpected error."""

from __future__ import annotations

import os
import shutil
import sqlite3

import pytest

from agent.cli.program import run
from agent.errors.store import StateUnwritable, TablesLost
from agent.store import Store
from agent.store.copies import make_copy
from agent.store.made_schema import expected_schema
from agent.store.schema import COLUMNS, MADE_AGAIN, PEOPLES
from agent.store.schema_repair import MIGRATIONS, Schema
from support.appliances.api import NAME
from support.appliances.deployed import served
from support.cas.certificates import NOW
from support.told import told

COMMANDS = (("status",), ("plan",), ("explain", "tunnel", "default"), ("events",), ("apply", "--timeout", "5"))
KEPT = sorted(set(COLUMNS) - (MADE_AGAIN - PEOPLES))


def printed(appliance, capsys, *command: str) -> tuple[int, str]:
    code = run("chainwright", [*command, "--root", str(appliance.root)])
    shown = capsys.readouterr()
    assert "unexpected error" not in shown.err, shown.err
    return code, shown.err


def change(appliance, *statements: str) -> None:
    database = sqlite3.connect(appliance.layout.database)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def schema(appliance) -> Schema:
    database = sqlite3.connect(appliance.layout.database)
    try:
        return Schema.of(database)
    finally:
        database.close()


@pytest.mark.sampled(6)
@pytest.mark.parametrize("table", sorted(MADE_AGAIN - PEOPLES))
def test_a_dropped_table_whose_rows_are_made_again_is_made_again(tunnel, table, capsys):
    serving = served(tunnel.port, NAME)
    change(tunnel, f"drop table {table}")
    for command in COMMANDS:
        printed(tunnel, capsys, *command)
    tunnel.apply()
    assert schema(tunnel).columns == expected_schema().columns
    assert set(expected_schema().objects) <= set(schema(tunnel).objects)
    assert served(tunnel.port, NAME) == serving
    with tunnel.store() as store:
        assert len(store.roots.all()) == 1


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "statements",
    [
        ("drop table events", "create view events as select 1 as id"),
        ("alter table watches drop column renew_at",),
        ("drop table watches", "create table watches (something text)"),
        ("drop index idx_events_job",),
        ("drop trigger chains_update",),
        (f"drop table {MIGRATIONS}",),
        (f"delete from {MIGRATIONS} where name > 'm005'",),
        ("delete from meta",),
        ("update meta set value = 'x'",),
        ("update meta set value = x'00ff'",),
        ("drop table meta",),
    ],
    ids=" ".join,
)
def test_what_was_dropped_or_replaced_is_made_again(tunnel, statements, capsys):
    serving = served(tunnel.port, NAME)
    change(tunnel, *statements)
    for command in COMMANDS:
        printed(tunnel, capsys, *command)
    tunnel.apply()
    assert schema(tunnel).columns == expected_schema().columns
    assert set(expected_schema().objects) <= set(schema(tunnel).objects)
    assert served(tunnel.port, NAME) == serving
    with tunnel.store() as store:
        assert len(store.roots.all()) == 1
    tunnel.apply()
    assert told(tunnel) == []


def in_place_of(path, kind: str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/full")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "socket":
        path.symlink_to("/dev/log")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "garbage":
        path.write_bytes(os.urandom(100_000))
    elif kind == "zeros":
        path.write_bytes(bytes(100_000))


KINDS = ("directory", "pipe", "device", "dangling link", "empty", "garbage", "zeros")


@pytest.mark.sampled(8)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["chainwright.db", "chainwright.db-wal", "chainwright.db-shm", "master.key"])
def test_what_is_in_place_of_a_file_is_named(tunnel, name, kind, capsys):
    serving = served(tunnel.port, NAME)
    path = tunnel.layout.private / name
    in_place_of(path, kind)
    for command in COMMANDS:
        code, shown = printed(tunnel, capsys, *command)
        assert code in {0, 3} or str(path) in shown, shown
    assert served(tunnel.port, NAME) == serving


@pytest.mark.sampled(4)
@pytest.mark.parametrize("table", KEPT)
def test_a_dropped_table_that_nothing_makes_again_is_named(tunnel, table, capsys):
    serving = served(tunnel.port, NAME)
    change(tunnel, f"drop table {table}")
    code, shown = printed(tunnel, capsys, "plan")
    assert (code, table in shown) == (1, True)
    with pytest.raises(TablesLost):
        tunnel.store()
    assert served(tunnel.port, NAME) == serving


DATABASE = "var/lib/chainwright/private/chainwright.db"


def test_a_link_that_leads_nowhere_is_told_and_not_replaced(tunnel, capsys):
    with tunnel.store() as store:
        make_copy(store.layout, store.database, store.sealer, "daily", tunnel.clock())
    path = tunnel.layout.database
    volume = tunnel.root / "volume" / path.name
    volume.parent.mkdir()
    path.rename(volume)
    path.symlink_to(volume)
    assert printed(tunnel, capsys, "plan")[0] == 0
    volume.rename(tunnel.root / "elsewhere")
    for command in (("repair",), ("status",)):
        code, shown = printed(tunnel, capsys, *command)
        reason = f"{path.name} is a symbolic link to {volume}, where nothing is."
        cure = f"Mount or put back what it leads to, or remove the link (rm {path}), then: chainwright apply"
        assert (code != 0, reason in shown, cure in shown) == (True, True, True), shown
        assert (path.readlink(), volume.exists()) == (volume, False)
    with pytest.raises(StateUnwritable):
        tunnel.engine().boot()
    assert not (tunnel.layout.private / "damaged").exists()
    (tunnel.root / "elsewhere").rename(volume)
    tunnel.apply()
    assert told(tunnel) == []


@pytest.mark.parametrize("at", ["var/lib/chainwright", "var", DATABASE.rpartition("/")[0], "volume"])
def test_where_a_file_system_of_the_state_is_not_mounted_no_database_is_made(layout, at):
    """With a copy below it, say, of before the state was moved to a volume; the state may be a link to there."""
    with Store.open(layout) as store:
        make_copy(layout, store.database, store.sealer, "daily", NOW)
    for path in layout.private.glob("chainwright.db*"):
        path.unlink()
    if at == "volume":
        layout.state.rename(layout.root / "volume")
        layout.state.symlink_to(layout.root / "volume")
    (layout.root / "etc").mkdir(exist_ok=True)
    (layout.root / "etc/fstab").write_text(
        f"# /dev/sda1 /home ext4\nUUID=1 / ext4 defaults 0 1\n/dev/sdb1 /{at} ext4\n"
    )
    for opened in (Store.open, Store.open_existing, Store.open_read_only):
        with pytest.raises(StateUnwritable) as raised:
            opened(layout)
        reason = f"the file system at {layout.root / at} is not mounted, though /etc/fstab has it."
        assert raised.value.problem.cause.endswith(reason)
        assert not layout.database.exists()


@pytest.mark.parametrize("what", ["private", "state"])
def test_a_file_in_place_of_the_state_is_named_with_its_cure(layout, what, capsys):
    with Store.open(layout):
        pass
    path = getattr(layout, what)
    path.rename(path.with_name("before"))
    path.write_text("")
    for command in ("apply", "status", "plan", "uploads", "events", "repair"):
        assert run("chainwright", [command, "--root", str(layout.root)]) == 1
        shown = capsys.readouterr().err
        assert f"{path}: The state directory can't be used: a file is " in shown, (command, shown)
        assert f"Move it away: mv {path} {path}.found, then: chainwright apply" in shown
    assert run("chainwright", ["repair", "--dry-run", "--root", str(layout.root)]) == 1
    assert f"mv {path} {path}.found" in capsys.readouterr().err


def test_a_state_directory_that_is_a_link_to_nowhere_is_told(layout):
    state = layout.state
    state.parent.mkdir(parents=True)
    state.symlink_to("/volume/of/nothing")
    with pytest.raises(StateUnwritable) as raised:
        Store.open(layout)
    assert raised.value.problem.where == str(state)
    assert "chainwright is a symbolic link to /volume/of/nothing, where nothing is." in raised.value.problem.cause
