"""A database that is lost or damaged is restored from the newest good copy and from what is in service: nothing is made again."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from agent.auth import Accounts, Role
from agent.auth.audit_verification import verify_store
from agent.auth.person import TokenMaker
from agent.cli.program import run
from agent.errors.auth import InvalidToken, SessionExpired
from agent.errors.store import DatabaseLost, MasterKeyWrong
from agent.model.deployment import Outcome
from agent.model.events import EventKind
from agent.model.root import RootPhase
from agent.operations.root import reissue_root
from agent.store.copies import copies, directory_of, make_copy, open_copy
from support.appliances.api import ANN, NAME, make_people
from support.appliances.deployed import Deployed, served
from support.fuzz import LONG, NEVER_HANGS
from support.passwords import CHEAP
from support.paths import DYING_AT
from support.processes import prepared
from support.told import codes, told


def lose(appliance: Deployed) -> None:
    for path in appliance.layout.private.glob("chainwright.db*"):
        path.unlink()


def spoil(path: Path) -> None:
    """Overwrite the middle of a file."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(size // 3)
        file.write(os.urandom(size // 3))


def copied(appliance: Deployed) -> None:
    """Have a copy of the present state."""
    with appliance.store() as store:
        make_copy(store.layout, store.database, store.sealer, "daily", appliance.clock())


def state(appliance: Deployed) -> tuple[object, ...]:
    """Return what must not change: root, chains with their requests, what is bound, what is served."""
    with appliance.store() as store:
        roots = [each.sha256 for each in store.roots.all()]
        chains = sorted((each.id, each.source, each.request, each.root) for each in store.chains.records())
    return roots, chains, appliance.chains("tunnel"), served(appliance.port, NAME)


def drop_copies(appliance: Deployed) -> None:
    shutil.rmtree(directory_of(appliance.layout), ignore_errors=True)


WAYS = {
    "gone": lose,
    "empty": lambda each: (lose(each), each.layout.database.write_bytes(b"")),
    "garbage": lambda each: (lose(each), each.layout.database.write_bytes(os.urandom(200_000))),
    "a directory": lambda each: (lose(each), each.layout.database.mkdir()),
    "torn": lambda each: spoil(each.layout.database),
}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("kept", ["copy", "no copy"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("by", ["apply", "boot", "repair"])
def test_what_is_in_service_stays_and_nothing_is_made_again(tunnel, way, kept, by, capsys):
    tunnel.apply()
    before = state(tunnel)
    if kept == "no copy":
        drop_copies(tunnel)
    else:
        copied(tunnel)
    with tunnel.store() as store:
        store.database.execute("pragma wal_checkpoint(truncate)")
    WAYS[way](tunnel)
    if by == "apply":
        tunnel.apply()
    elif by == "boot":
        tunnel.engine().boot()
    else:
        assert run("chainwright", ["repair", "--root", str(tunnel.root)]) == 0
        print(capsys.readouterr().out)
    tunnel.apply()
    assert state(tunnel) == before
    tunnel.apply()
    assert state(tunnel) == before
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert ("appliance", "database", "notice", "status.recovered") in codes(told(tunnel))


def renewed(appliance: Deployed) -> str:
    """Have the tunnel served a new chain; return its id."""
    appliance.renew()
    appliance.apply()
    appliance.apply()
    chain = appliance.chains("tunnel")["default"]
    assert served(appliance.port, NAME) == chain
    return chain


@pytest.mark.parametrize("kept", ["copy", "no copy"])
def test_a_chain_that_is_younger_than_the_copy_goes_on_serving(tunnel, kept):
    copied(tunnel)
    first = tunnel.chains("tunnel")["default"]
    second = renewed(tunnel)
    assert second != first
    if kept == "no copy":
        drop_copies(tunnel)
    else:
        for copy in copies(tunnel.layout)[:-1]:
            copy.path.unlink()
    before = state(tunnel)
    live = tunnel.live("tunnel").name
    lose(tunnel)
    tunnel.runner.ran.clear()
    tunnel.apply()
    assert state(tunnel)[0] == before[0]
    assert tunnel.chains("tunnel") == {"default": second}
    assert served(tunnel.port, NAME) == second
    with tunnel.store() as store:
        kept_now = {each.id: each.request for each in store.chains.records()}
    assert second in kept_now
    assert int(tunnel.live("tunnel").name) >= int(live)
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE


@pytest.mark.parametrize("at_once", [True, False], ids=["signs", "is prepared"])
def test_a_root_that_is_younger_than_the_copy_goes_on(tunnel, at_once):
    drop_copies(tunnel)
    copied(tunnel)
    tunnel.clock.advance(seconds=2)  # certificates have seconds, and the younger root is known by its end
    made = tunnel.change(reissue_root, at_once=at_once)
    tunnel.apply()
    for copy in copies(tunnel.layout)[:-1]:
        copy.path.unlink()
    with tunnel.store() as store:
        before = {each.sha256: each.phase for each in store.roots.all()}
    serving = served(tunnel.port, NAME)
    lose(tunnel)
    tunnel.apply()
    with tunnel.store() as store:
        after = {each.sha256: each.phase for each in store.roots.all()}
        signers = {each.id: each.root for each in store.chains.records()}
    assert len(after) == 2
    assert after[made.sha256] is (RootPhase.SIGNING if at_once else RootPhase.PREPARED)
    (old,) = set(after) - {made.sha256}
    assert signers[serving] == signers[served(tunnel.port, NAME)] == (made.sha256 if at_once else old)
    assert at_once or after == before


def test_a_copy_with_keys_that_can_not_be_read_takes_no_good_ones_place(tunnel):
    good = [each.path for each in copies(tunnel.layout)]
    (chain,) = tunnel.chains("tunnel").values()
    for _ in range(2):
        with tunnel.store() as store, store.write():
            store.database.execute("update chains set certificates = 'none', names = 'no JSON' where id = ?", [chain])
        tunnel.clock.advance(hours=30)
        tunnel.apply()
        assert [each.path for each in copies(tunnel.layout)] == good
    told_of = [each["problem"]["cause"] for each in told(tunnel) if each["subject"] == "copies"]
    assert told_of == [
        "The copy of the database is no good: rows of chains can't be read, and earlier copies are whole."
    ]


def test_a_copy_that_fails_is_tried_again_after_a_pause(tunnel):
    drop_copies(tunnel)
    directory_of(tunnel.layout).write_text("in the way")
    tunnel.clock.advance(hours=30)
    tunnel.apply()
    directory_of(tunnel.layout).unlink()
    tunnel.apply()
    assert copies(tunnel.layout) == []
    tunnel.clock.advance(hours=2)
    tunnel.apply()
    assert len(copies(tunnel.layout)) == 1


@pytest.mark.parametrize("by", ["apply", "boot"])
def test_a_database_of_an_earlier_time_takes_in_what_is_in_service(tunnel, tmp_path, by):
    tunnel.apply()
    shutil.copy(tunnel.layout.database, earlier := tmp_path / "earlier.db")
    chain, live = renewed(tunnel), int(tunnel.live("tunnel").name)
    lose(tunnel)
    shutil.copy(earlier, tunnel.layout.database)
    if by == "boot":
        tunnel.engine().boot()
    tunnel.apply()
    assert tunnel.chains("tunnel") == {"default": chain}
    assert served(tunnel.port, NAME) == chain
    assert int(tunnel.live("tunnel").name) > live
    with tunnel.store() as store:
        told_now = [each.text for each in store.journal.since() if each.kind is EventKind.DATABASE_RESTORED]
        assert len(store.chains.records()) == 2
    assert told_now == ["the database is older than what is in service of tunnel; taken in: 1"]
    assert tunnel.apply().performed == ()


def test_the_next_good_copy_is_taken_where_the_newest_are_not(tunnel, capsys):
    for _ in range(4):
        copied(tunnel)
    newest, second, third, good, *_ = copies(tunnel.layout)
    spoil(newest.path)
    os.truncate(second.path, 1000)
    third.path.write_bytes(newest.path.read_bytes())
    before = state(tunnel)
    lose(tunnel)
    assert run("chainwright", ["repair", "--dry-run", "--json", "--root", str(tunnel.root)]) == 0
    found = json.loads(capsys.readouterr().out)["recovery"]
    assert found["copy"] == str(good.path)
    assert [line.partition(": ")[0] for line in found["refused"]] == [
        str(each.path) for each in (newest, second, third)
    ]
    tunnel.apply()
    assert state(tunnel) == before


def everything(root: Path) -> dict[Path, tuple[object, ...]]:
    """Return every path below a root with its content and what a write, a rename or a touch would change of it."""
    found = {}
    for path in root.rglob("*"):
        seen = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[path] = (seen.st_ino, seen.st_mode, seen.st_nlink, seen.st_mtime_ns, seen.st_ctime_ns, content)
    return found


@pytest.mark.parametrize("kept", ["copy", "no copy"])
@pytest.mark.parametrize("way", [*WAYS, "older", "whole"])
def test_a_dry_run_changes_nothing_at_all(tunnel, way, kept, capsys):
    drop_copies(tunnel)
    if kept == "copy":
        copied(tunnel)
    WAYS.get(way, lambda _: None)(tunnel)
    if way == "older":
        database = sqlite3.connect(tunnel.layout.database)
        database.execute("delete from _sqlite_migrations where name = (select max(name) from _sqlite_migrations)")
        for column in ("roots drop column beside", "roots drop column key_type", "peers drop column key_type"):
            database.execute(f"alter table {column}")
        database.close()
    before = everything(tunnel.root)
    whole = way in {"whole", "older"}
    command = ["repair", "--dry-run", "--exit-code", "--root", str(tunnel.root)]
    assert run("chainwright", command) == (0 if whole else 10)
    assert everything(tunnel.root) == before
    shown = capsys.readouterr()
    if whole:
        assert shown.out == "The database is whole.\n"
        return
    assert shown.err == "Nothing was changed.\n"
    expected = "would be restored" if kept == "copy" else "1 root would be taken in"
    assert expected in shown.out or (way == "torn" and "every row could be read" in shown.out), shown.out


def test_a_plan_before_the_first_run_makes_no_database(appliance, capsys):
    appliance.settings('hostname = "gw"\nsources = ["uploaded", "local"]\n')
    before = everything(appliance.root)
    for command, code in ((["plan"], 0), (["acme", "check", "a.example.test"], 1), (["acme", "limits"], 1)):
        assert run("chainwright", [*command, "--root", str(appliance.root)]) == code, capsys.readouterr()
    assert everything(appliance.root) == before


def test_to_repair_twice_is_to_repair_once(tunnel, capsys):
    copied(tunnel)
    lose(tunnel)
    for expected in ("was restored", "The database is whole."):
        assert run("chainwright", ["repair", "--root", str(tunnel.root)]) == 0
        assert expected in capsys.readouterr().out
    assert len(list((tunnel.layout.private / "damaged").iterdir())) == 1


def test_sessions_and_tokens_end_people_stay_and_the_audit_record_says_so(tunnel):
    make_people(tunnel)
    now = tunnel.clock()
    with tunnel.store() as store:
        accounts = Accounts(store, CHEAP)
        session, _ = accounts.open_session(accounts.check_password("ann", ANN, "", now), "", now)
        token, _ = accounts.make_token("script", Role.VIEWER, TokenMaker("ann", "ann"), now, timedelta(days=9))
    copied(tunnel)
    lose(tunnel)
    tunnel.apply()
    with tunnel.store() as store:
        accounts = Accounts(store, CHEAP)
        with pytest.raises(SessionExpired):
            accounts.session(session, now)
        with pytest.raises(InvalidToken):
            accounts.token(token, now)
        assert accounts.check_password("ann", ANN, "", now).role is Role.ADMIN
        (row,) = (each for each in accounts.audits() if each.action == "database restored")
        assert (row.who, "was restored" in row.detail) == ("agent", True)
        assert verify_store(store).whole


@pytest.mark.parametrize("what", ["root", "served chains"])
def test_without_a_copy_nothing_is_touched_unless_all_that_is_served_is_known(tunnel, what):
    drop_copies(tunnel)
    serving = served(tunnel.port, NAME)
    for path in tunnel.layout.private.glob("root-*" if what == "root" else "served-*"):
        path.unlink()
    lose(tunnel)
    with pytest.raises(DatabaseLost):
        tunnel.apply()
    with pytest.raises(DatabaseLost):
        tunnel.engine().boot()
    assert not tunnel.layout.database.exists()
    assert served(tunnel.port, NAME) == serving


def test_another_master_key_restores_nothing(tunnel):
    copied(tunnel)
    key = tunnel.layout.master_key.read_text()
    lose(tunnel)
    tunnel.layout.master_key.write_text("00" * 32 + "\n")
    with pytest.raises(MasterKeyWrong):
        tunnel.apply()
    tunnel.layout.master_key.write_text(key)
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE


@pytest.mark.parametrize("table", ["roots", "chains", "people", "tokens", "account_keys", "audits"])
def test_dropped_tables_are_restored_from_the_copy(tunnel, table):
    make_people(tunnel)
    copied(tunnel)
    before = state(tunnel)
    database = sqlite3.connect(tunnel.layout.database)
    database.execute(f"drop table {table}")
    database.close()
    tunnel.apply()
    assert state(tunnel) == before
    with tunnel.store() as store:
        assert len(Accounts(store).all()) == 2


def test_a_disk_that_damages_each_database_is_not_given_one_after_the_other(tunnel):
    for _ in range(3):
        lose(tunnel)
        tunnel.apply()
    lose(tunnel)
    with pytest.raises(DatabaseLost):
        tunnel.apply()


def test_a_copy_is_made_a_day_where_something_has_changed(tunnel):
    assert len(copies(tunnel.layout)) == 1
    tunnel.clock.advance(hours=30)
    tunnel.apply()
    known = len(copies(tunnel.layout))
    assert known == 2
    tunnel.clock.advance(hours=30)
    tunnel.apply()
    assert len(copies(tunnel.layout)) == known
    make_people(tunnel)
    tunnel.apply()
    assert len(copies(tunnel.layout)) == known
    tunnel.clock.advance(hours=30)
    tunnel.apply()
    assert len(copies(tunnel.layout)) == known + 1


def test_that_no_copy_can_be_made_is_told_and_stops_nothing(tunnel):
    drop_copies(tunnel)
    directory_of(tunnel.layout).write_text("in the way")
    tunnel.clock.advance(hours=30)
    tunnel.apply()
    assert ("appliance", "copies", "warning", "store.copy_failed") in codes(told(tunnel))
    directory_of(tunnel.layout).unlink()
    tunnel.clock.advance(hours=2)
    tunnel.apply()
    assert [each for each in codes(told(tunnel)) if "copies" in each[1] and each[3] != "status.modes"] == []


def died(appliance: Deployed, what: str, number: int) -> bool:
    """Repair or copy the database in a process that dies before its Nth change on disk; False: it came to its end."""
    code = prepared.run([DYING_AT, appliance.root, what, str(number)]).returncode
    assert code in {0, 9}
    return code == 9


def unbound(found: tuple[object, ...]) -> tuple[object, ...]:
    """Leave out what only a pass writes."""
    return (*found[:2], *found[3:])


EACH = 1 if LONG else 5
"""How far apart the changes are before which a process dies."""


@NEVER_HANGS
@pytest.mark.parametrize("kept", ["copy", "no copy"])
def test_a_repair_that_is_killed_anywhere_is_done_by_the_next_one(tunnel, kept, capsys):
    before = state(tunnel)
    tried = 0
    while True:
        drop_copies(tunnel)
        if kept == "copy":
            copied(tunnel)
        tunnel.layout.database.write_bytes(b"x" * 10_000)
        going_on = died(tunnel, "repair", 1 + tried * EACH)
        assert run("chainwright", ["repair", "--root", str(tunnel.root)]) == 0, capsys.readouterr().err
        assert unbound(state(tunnel)) == unbound(before)
        left = [path.name for path in tunnel.layout.private.iterdir() if path.name.startswith(".")]
        assert left == []
        tried += 1
        if not going_on:
            break
    assert tried > 5
    tunnel.apply()
    assert state(tunnel) == before
    with capsys.disabled():
        print(f"\ntried {tried}")


@NEVER_HANGS
def test_a_copy_that_is_killed_anywhere_leaves_the_earlier_ones_good(tunnel, tmp_path, capsys):
    before, tried = state(tunnel), 0
    while died(tunnel, "copy", 1 + tried):
        tried += 1
        for number, copy in enumerate(copies(tunnel.layout)):
            with tunnel.store() as store:
                open_copy(copy, store.sealer, tmp_path / f"{tried} {number}")
    assert tried > 3
    assert len(copies(tunnel.layout)) >= 2
    for left in directory_of(tunnel.layout).glob(".*"):
        os.utime(left, (0, 0))
    copied(tunnel)
    assert [path for path in directory_of(tunnel.layout).iterdir() if path.suffix != ".copy"] == []
    assert state(tunnel) == before
    with capsys.disabled():
        print(f"\ntried {tried}")
