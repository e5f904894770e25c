"""The store: durable, sealed, and never forgetful in silence."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from agent.errors.problem import Problem
from agent.errors.store import (
    DatabaseFull,
    DatabaseLost,
    DatabaseRefused,
    DatabaseTooNew,
    MasterKeyLost,
    MasterKeyRefused,
    MasterKeyWrong,
    NoStateYet,
    SealBroken,
    StateUnwritable,
)
from agent.model.binding import Binding, LadderPosition
from agent.model.deployment import (
    Deployment,
    EndpointRecord,
    Generation,
    ManifestFile,
    Outcome,
    Refusal,
    RefusedKind,
)
from agent.model.events import Event, EventKind
from agent.model.need import Need
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.encoding import Part, encode
from agent.store import Store
from agent.store import migrations as steps
from agent.store.copies import DAILY, make_copy
from agent.store.deployments import TransactionRow
from agent.store.modules import ModuleRecord
from agent.store.orders import LEASE, Orders, process_name
from agent.store.sealing import Sealer
from agent.system.layout import Layout
from agent.system.modes import places_of_state, repaired
from agent.system.processes import is_running, ticks_of
from support.appliances.staged import Authority
from support.cas import certificates as toy_ca
from support.fakes import ladder as toy_ladder

NOW = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROBLEM = Problem("deploy.check_refused", "No.", "mail", "Do.", "Still served.", NOW.replace(microsecond=0), "line")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def a_root() -> Root:
    return Root.create("Toy Root CA", "", NOW, datetime(2026, 1, 1, tzinfo=UTC))


def raw(layout: Layout) -> bytes:
    """Return all that SQLite has on disk."""
    return b"".join(path.read_bytes() for path in sorted(layout.private.glob("chainwright.db*")))


def change(layout: Layout, *statements: str) -> None:
    with sqlite3.connect(layout.database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


# Opening


def test_the_first_run_makes_directories_and_files_that_nobody_else_can_read(layout: Layout):
    old = os.umask(0)
    try:
        with Store.open(layout) as store, store.write():
            store.remember("a", "b")
            assert mode(layout.state) == 0o711
            assert mode(layout.private) == 0o700
            files = {path.name: mode(path) for path in layout.private.iterdir()}
    finally:
        os.umask(old)
    assert files == dict.fromkeys(["chainwright.db", "chainwright.db-wal", "chainwright.db-shm", "master.key"], 0o600)


def test_a_mode_that_was_changed_is_left_to_the_next_pass_which_says_so(layout: Layout):
    Store.open(layout).close()
    layout.private.chmod(0o755)
    Store.open(layout).close()
    (repair,) = repaired(places_of_state(layout), layout.state)
    assert (repair.path, repair.opened, mode(layout.private)) == (layout.private, True, 0o700)


def test_every_commit_is_on_disk_before_the_next_side_effect(store: Store):
    assert store.database.execute("pragma journal_mode").fetchone() == ("wal",)
    assert store.database.execute("pragma synchronous").fetchone() == (2,), "FULL"
    with store.again() as other:
        assert other.database.execute("pragma synchronous").fetchone() == (2,)


def test_every_step_of_the_schema_is_applied_once_and_recorded(layout: Layout):
    for _ in range(2):
        with Store.open(layout) as store:
            rows = store.database.execute("select migration_set, name from _sqlite_migrations order by id").fetchall()
            assert rows == [("chainwright", name) for name in sorted(vars(steps)) if re.match(r"m\d", name)]
            assert steps.migrations.pending(store.database.sqlite_utils) == []


def test_a_peer_certificate_of_an_earlier_schema_gets_its_serial_number_and_purpose(layout: Layout):
    leaf = toy_ca.root().leaf("b.example.test").certificate
    layout.private.mkdir(parents=True)
    earlier = Database(layout.database)
    steps.migrations.apply(earlier, stop_before="m008_peers")
    row = {"module": "ikev2", "label": "b", "root": "aa", "names": '["b.example.test"]', "csr": "", "sha256": "cd"}
    dates = dict.fromkeys(("not_before", "not_after", "created_at"), "2026-11-01T12:00:00Z")
    earlier.table("peers").insert({**row, **dates, "certificate": toy_ca.pem(leaf).decode()})
    earlier.close()
    with Store.open(layout) as store:
        (peer,) = store.peers.all()
    assert (peer.serial, peer.purposes, peer.current) == (f"{leaf.serial_number:x}", (Purpose.SERVER,), True)


def test_a_token_of_an_earlier_schema_gets_an_owner_and_a_name_of_its_own_or_ends(layout: Layout):
    layout.private.mkdir(parents=True)
    earlier = Database(layout.database)
    steps.migrations.apply(earlier, stop_before="m016_token_owners")
    earlier.table("people").insert(
        {"name": "ann", "role": "admin", "password": "x", "changed_at": "2026-11-01T12:00:00Z"}
    )
    made = [
        ("monitoring", "ann"),
        ("monitoring", "ann"),
        ("monitoring-2", "root (uid 0)"),
        ("x" * 32, "root (uid 0)"),
        ("x" * 32, "root (uid 0)"),
        ("of-the-removed", "bob"),
        ("child", "token monitoring"),
        ("grandchild", "token child"),
        ("of-root-s", "token monitoring-2"),
        ("orphan", "token gone"),
        ("circle", "token circle"),
    ]
    for number, (name, maker) in enumerate(made):
        at = {"made_at": f"2026-11-01T12:00:{number:02}+00:00", "expires_at": "2027-01-01T12:00:00+00:00"}
        row = {"id": f"{number:02}", "sha256": f"{number:02}", "name": name, "role": "viewer", "made_by": maker}
        earlier.table("tokens").insert({**row, **at})
    earlier.close()
    with Store.open(layout) as store:
        rows = store.database.query("select name, owner from tokens order by id")
        assert [(row["name"], row["owner"]) for row in rows] == [
            ("monitoring", "ann"),
            ("monitoring-3", "ann"),
            ("monitoring-2", None),
            ("x" * 32, None),
            ("x" * 30 + "-2", None),
            ("child", "ann"),
            ("grandchild", "ann"),
            ("of-root-s", None),
        ]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(layout: Layout):
    Store.open(layout).close()
    change(layout, "insert into _sqlite_migrations values (99, 'chainwright', 'm900_later', '2030-01-01')")
    with pytest.raises(DatabaseTooNew, match=r"\(it knows m900_later\)"):
        Store.open(layout)
    with pytest.raises(DatabaseTooNew):
        Store.open_existing(layout)


def test_processes_that_open_a_new_store_at_once_all_get_the_same_one(layout: Layout):
    script = (
        "import sys; from pathlib import Path; from agent.system.layout import Layout; from agent.store import Store\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "with Store.open(Layout(Path(sys.argv[1]))) as store, store.write(): store.remember(sys.argv[2], '1')"
    )
    command = [sys.executable, "-c", script, str(layout.root)]
    started = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    assert [process.communicate("go\n", timeout=60) and process.returncode for process in started] == [0, 0, 0, 0]
    with Store.open_existing(layout) as store:
        assert [store.meta(str(number)) for number in range(4)] == ["1"] * 4


@pytest.mark.parametrize("opened", [Store.open_existing, Store.open_read_only])
def test_a_command_that_only_looks_makes_nothing(layout: Layout, opened):
    with pytest.raises(NoStateYet):
        opened(layout)
    assert not layout.state.exists()
    Store.open(layout).close()
    with opened(layout) as store:
        assert store.meta("key_check")


def test_a_store_that_is_open_read_only_shows_one_state_until_it_is_refreshed(store: Store):
    with store.write():
        store.remember("a", "before")
    with Store.open_read_only(store.layout) as reading:
        assert reading.meta("a") == "before"
        with store.write():
            store.remember("a", "after")
        assert reading.meta("a") == "before"
        reading.refresh()
        assert reading.meta("a") == "after"
        with pytest.raises(sqlite3.OperationalError, match="readonly"), reading.write():
            reading.remember("a", "mine")
    assert store.meta("a") == "after"


def test_a_store_is_opened_read_only_without_its_key(store: Store, authority: Authority):
    chain = authority.chain("www.chain.dev")
    with store.write():
        store.chains.add(chain, source="uploaded", now=NOW)
    store.layout.master_key.unlink()
    with Store.open_read_only(store.layout) as reading:
        assert [record.id for record in reading.chains.records()] == [chain.id]
        with pytest.raises(MasterKeyLost):
            reading.chains.load(chain.id)


def test_a_state_directory_that_is_a_file_is_named(layout: Layout):
    layout.state.parent.mkdir(parents=True)
    layout.state.write_text("")
    with pytest.raises(StateUnwritable, match="a file is in its place"):
        Store.open(layout)


def test_another_user_is_told_who_may_look(layout: Layout):
    Store.open(layout).close()
    layout.private.chmod(0)  # for tests that don't run as root
    script = (
        "import os, sys; from pathlib import Path; from agent.system.layout import Layout; from agent.store import Store\n"
        "from agent.errors.store import StateUnwritable\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "try: Store.open_existing(Layout(Path(sys.argv[1])))\n"
        "except StateUnwritable as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script, str(layout.root)], capture_output=True, text=True, check=True)
    layout.private.chmod(0o700)
    assert "permission denied" in said.stdout


def test_garbage_in_place_of_the_database_is_named(layout: Layout):
    Store.open(layout).close()
    for left in layout.private.glob("chainwright.db-*"):
        left.unlink()
    layout.database.write_bytes(b"no database at all " * 300)
    with pytest.raises(DatabaseRefused, match="file is not a database"):
        Store.open(layout)


# Sealing


def test_no_key_stands_in_the_clear_anywhere_on_disk(layout: Layout, authority: Authority):
    chain, root = authority.chain("www.example.test"), a_root()
    secrets = [encode(chain, [Part.KEY]), root.key_pem(), b"a secret of the account"]
    with Store.open(layout) as store:
        with store.write():
            store.chains.add(chain, source="uploaded", now=NOW)
            store.roots.add(root, NOW)
            store.orders.save("r", "acme", {"token": secrets[2].decode()})
        for _ in range(2):
            on_disk = raw(layout) + b"".join(path.read_bytes() for path in layout.private.glob("root-*"))
            for secret in secrets:
                lines = [line for line in secret.splitlines() if b"-----" not in line]
                assert all(line not in on_disk for line in lines)
            assert b"PRIVATE KEY" not in on_disk
            assert chain.id.encode() in on_disk
            store.database.execute("pragma wal_checkpoint(truncate)")


def test_chains_come_back_with_their_keys(store: Store, authority: Authority):
    chain = authority.chain("www.example.test", "192.0.2.1")
    with store.write():
        store.chains.add(chain, source="local", now=NOW, request="r", root="s" * 64)
    back = store.chains.load(chain.id)
    assert back is not None
    assert encode(back, [Part.KEY, Part.FULLCHAIN, Part.ROOT]) == encode(chain, [Part.KEY, Part.FULLCHAIN, Part.ROOT])
    [row] = store.chains.records()
    assert (row.id, row.source, row.request, row.root, row.created_at) == (chain.id, "local", "r", "s" * 64, NOW)
    assert (row.names, row.key_type) == (chain.names, KeyType.ECDSA_P256)
    assert set(row.purposes) == set(chain.purposes)
    assert (row.not_before, row.not_after) == (chain.usable_from, chain.usable_until)
    assert (row.fingerprints, row.issuer, row.serial) == (chain.fingerprints, chain.issuer, chain.serial)
    assert row.revoked_at is None


def test_chains_are_found_by_the_beginning_of_their_id_and_deleted(store: Store, authority: Authority):
    chains = [authority.chain("a.example.test"), authority.chain("b.example.test")]
    with store.write():
        for chain in chains:
            store.chains.add(chain, source="uploaded", now=NOW)
    assert store.chains.find("") == sorted(each.id for each in chains)
    assert store.chains.find(chains[0].id[:12]) == [chains[0].id]
    assert store.chains.find("%") == []
    assert [store.chains.load(each) for each in ("none", chains[1].id)] == [None, chains[1]]
    shown = store.chains.certificates(chains[0].id)
    assert shown is not None
    assert shown.count("BEGIN CERTIFICATE") == 3
    assert "PRIVATE KEY" not in shown
    with store.write():
        store.chains.delete(chains[0].id)
    assert store.chains.load(chains[0].id) is None
    assert store.chains.certificates(chains[0].id) is None


def test_sealed_keys_can_not_be_swapped_between_chains(store: Store, authority: Authority):
    one, two = authority.chain("one.example.test"), authority.chain("two.example.test")
    with store.write():
        store.chains.add(one, source="uploaded", now=NOW)
        store.chains.add(two, source="uploaded", now=NOW)
        store.database.execute(
            "update chains set sealed_key = (select sealed_key from chains where id = ?) where id = ?", [one.id, two.id]
        )
    assert store.chains.load(one.id) == one
    with pytest.raises(SealBroken, match=f"key of chain {two.id}"):
        store.chains.load(two.id)


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 12, b"x" * 200])
def test_what_was_never_sealed_is_an_error_of_its_own(sealed: bytes):
    with pytest.raises(SealBroken):
        Sealer(lambda: bytes(32)).open(sealed, "here")


def test_what_is_sealed_twice_looks_different():
    sealer = Sealer(lambda: bytes(32))
    assert sealer.seal(b"same", "here") != sealer.seal(b"same", "here")
    assert sealer.open(sealer.seal(b"same", "here"), "here") == b"same"


# The master key


def test_a_lost_master_key_is_said_and_nothing_is_made_in_its_place(layout: Layout):
    Store.open(layout).close()
    layout.master_key.unlink()
    for opened in (Store.open, Store.open_existing):
        with pytest.raises(MasterKeyLost, match=re.escape(str(layout.master_key))):
            opened(layout)
    assert not layout.master_key.exists()


def test_another_master_key_is_said(layout: Layout):
    Store.open(layout).close()
    layout.master_key.write_text("00" * 32)
    with pytest.raises(MasterKeyWrong):
        Store.open(layout)


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"00" * 31, b"\xff\xfe\x00" * 20, b"00" * 33])
def test_garbage_in_place_of_the_master_key_is_said_without_quoting_it(layout: Layout, content: bytes):
    Store.open(layout).close()
    layout.master_key.write_bytes(content)
    with pytest.raises(MasterKeyRefused) as caught:
        Store.open(layout)
    assert caught.value.__cause__ is None


def test_a_master_key_that_can_not_be_read_is_said(layout: Layout):
    Store.open(layout).close()
    layout.master_key.unlink()
    layout.master_key.mkdir()
    with pytest.raises(StateUnwritable, match="a directory is in its place"):
        Store.open(layout)


def test_a_credential_of_systemd_goes_before_the_file(layout: Layout, tmp_path: Path, monkeypatch):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    Store.open(layout).close()
    assert layout.master_key.exists(), "there is no credential yet"
    (credentials / "master-key").write_text(layout.master_key.read_text())
    layout.master_key.unlink()
    Store.open(layout).close()
    assert not layout.master_key.exists()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(MasterKeyLost):
        Store.open(layout)


# A lost database


@pytest.mark.parametrize("how", ["gone", "emptied"])
def test_a_lost_database_is_said_where_an_earlier_root_is_left(layout: Layout, how: str):
    with Store.open(layout) as store, store.write():
        store.roots.add(a_root(), NOW)
    for path in layout.private.glob("chainwright.db*"):
        path.unlink()
    if how == "emptied":
        layout.database.touch()
    with pytest.raises(DatabaseLost, match=r"root-[0-9a-f]{16}\.sealed shows that there was one"):
        Store.open(layout)


def test_a_lost_database_is_said_where_a_generation_is_in_service(layout: Layout):
    (layout.modules / "mail" / "3").mkdir(parents=True)
    (layout.modules / "mail" / "live").symlink_to("3")
    with pytest.raises(DatabaseLost, match="mail/live shows"):
        Store.open(layout)
    assert not layout.database.exists()


def test_a_lost_database_is_said_where_only_a_copy_is_left(layout: Layout):
    with Store.open(layout) as store:
        copy = make_copy(layout, store.database, store.sealer, DAILY, NOW)
    for path in layout.private.glob("chainwright.db*"):
        path.unlink()
    with pytest.raises(DatabaseLost, match=rf"{copy.path.name} shows that there was one"):
        Store.open(layout)


# Transactions


def test_what_is_written_together_is_kept_or_dropped_together(store: Store):
    def fails() -> None:
        with store.write():
            store.remember("a", "1")
            store.deployments.put(Deployment("mail", 1, Outcome.LIVE))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert store.meta("a") is None
    assert store.deployments.all() == {}
    with store.write():
        store.remember("a", "1")
    with store.again() as other:
        assert other.meta("a") == "1"


def test_a_write_inside_a_write_is_a_part_of_it(store: Store):
    def fails() -> None:
        with store.write(), store.again() as other:
            with store.write():
                store.remember("inner", "1")
            assert other.meta("inner") is None
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert store.meta("inner") is None


def test_nothing_of_a_write_is_seen_by_others_before_its_end(store: Store):
    with store.again() as other:
        with store.write():
            store.deployments.put_generation(a_generation(), {"d": "text"}, NOW)
            store.journal.add(Event(at=NOW, kind=EventKind.STEP, text="x"))
            assert other.deployments.numbers("module:mail") == []
            assert other.journal.since() == []
        assert other.deployments.numbers("module:mail") == [1]
        assert len(other.journal.since()) == 1


def test_threads_that_write_at_once_wait_for_each_other(store: Store):
    failed: list[BaseException] = []

    def work(name: str) -> None:
        try:
            with store.again() as mine:
                for _ in range(50):
                    with mine.write():
                        mine.remember("count", str(int(mine.meta("count") or 0) + 1))
                        mine.journal.add(Event(at=NOW, kind=EventKind.STEP, text=name))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"thread {number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert store.meta("count") == "100"
    assert len(store.journal.since()) == 100


def test_a_full_disk_is_an_error_of_the_store_and_leaves_no_half(store: Store):
    store.database.execute("pragma max_page_count = 1")

    def fails() -> None:
        with store.write():
            store.remember("a", "1")
            store.remember("large", "x" * 1_000_000)

    with pytest.raises(DatabaseFull) as refused:
        fails()
    assert "\n".join(refused.value.problem.lines()).endswith(
        "The database can't be written: the disk is full (database or disk is full).\n"
        "What is served is not touched. Make room there (df -h, df -i); the next pass goes on by itself, or now: "
        "chainwright apply"
    )
    assert not store.database.in_transaction
    assert store.meta("a") is None


# Orders


def test_what_a_source_saved_comes_back_and_is_its_own(store: Store):
    assert store.orders.saved("r", "acme") == {}
    with store.write():
        store.orders.save("r", "acme", {"url": "https://ca.example.test/1", "tries": 2})
        store.orders.save("r", "acme", {"url": "https://ca.example.test/2"})
    assert store.orders.saved("r", "acme") == {"url": "https://ca.example.test/2"}
    assert store.orders.saved("r", "other") == {}
    with store.write():
        sealed = "select sealed_state from orders where source = 'acme'"
        store.database.execute(f"insert into orders (request, source, sealed_state) values ('q', 'acme', ({sealed}))")
    assert store.orders.saved("q", "acme") == {}
    assert [row.key for row in store.database.damaged.values()] == [("q", "acme")]


def test_a_failure_is_remembered_beside_what_was_saved_until_there_is_a_chain(store: Store):
    wanted = toy_ladder.need()
    failure = toy_ladder.failed(wanted, retry_at=NOW + HOUR)
    key = (wanted.request.id, "toy")
    with store.write():
        store.orders.save(*key, {"url": "u"})
        store.orders.failed(failure)
    assert store.orders.records() == [failure]
    assert store.orders.saved(*key) == {"url": "u"}
    with store.write():
        store.orders.succeeded(*key)
    assert store.orders.records() == []
    assert store.orders.saved(*key) == {}


def test_forgotten_failures_hold_nobody_back(store: Store):
    wanted = toy_ladder.need()
    with store.write():
        store.orders.failed(toy_ladder.failed(wanted))
        store.orders.forget_failures(wanted.request.id)
    [row] = store.orders.records()
    assert (row.attempts, row.retry_at, row.permanent, row.problem) == (0, None, False, None)


def test_a_living_process_keeps_its_lease_as_long_as_it_renews_it(store: Store):
    neighbour = subprocess.Popen(["sleep", "600"])
    key = ("r", "acme")
    try:
        with store.write():
            assert store.orders.lease(*key, NOW)
            assert store.orders.lease(*key, NOW), "its own"
            store.database.execute("update orders set lease_process = ?", [as_process(neighbour.pid)])
            assert not orders_after(store, LEASE - timedelta(seconds=2)).lease(*key, NOW)
            assert store.orders.leased(NOW) == {key}
            later = orders_after(store, LEASE)
            later.renew(NOW)
            assert later.leased(NOW) == set(), "only the holder renews it"
            assert later.lease(*key, NOW)
            later = orders_after(store, 2 * LEASE)
            later.renew(NOW)
        assert later.leased(NOW) == {key}
    finally:
        neighbour.kill()
        neighbour.wait()


@pytest.mark.parametrize("step", [-9000 * HOUR, -HOUR, HOUR, 9000 * HOUR], ids=str)
def test_a_lease_is_kept_when_the_clock_is_set(store: Store, step: timedelta):
    with store.write():
        assert store.orders.lease("r", "acme", NOW)
        assert store.orders.leased(NOW + step) == {("r", "acme")}
        store.database.execute("update orders set lease_process = ?", [as_process(1)])
        assert not store.orders.lease("r", "acme", NOW + step)


def test_a_lease_that_an_earlier_version_has_noted_is_kept_as_long_as_the_clock_says(store: Store):
    with store.write():
        store.orders.lease("r", "acme", NOW)
        store.database.execute("update orders set lease_beat = null")
    assert store.orders.leased(NOW + LEASE - timedelta(seconds=1)) == {("r", "acme")}
    assert store.orders.leased(NOW + LEASE) == store.orders.leased(NOW - HOUR) == set()


def orders_after(store: Store, passed: timedelta) -> Orders:
    """Return the table as it is read when so much time has passed."""
    return Orders(store.database, store.sealer, lambda: time.monotonic() + passed.total_seconds())


@pytest.mark.parametrize("how", ["dead", "of an earlier boot", "from the future"])
def test_a_lease_that_nobody_holds_any_more_is_taken_over(store: Store, how: str):
    ended = subprocess.Popen(["true"])
    ended.wait()
    holders = {"dead": as_process(ended.pid), "of an earlier boot": "1@a0a0", "from the future": as_process(1)}
    with store.write():
        store.orders.lease("r", "acme", NOW)
        beat = int(time.monotonic()) + 3600 if how == "from the future" else int(time.monotonic())
        store.database.execute("update orders set lease_process = ?, lease_beat = ?", [holders[how], beat])
        assert store.orders.leased(NOW) == set()
        assert store.orders.lease("r", "acme", NOW)
        assert store.orders.leased(NOW) == {("r", "acme")}


def test_a_lease_that_is_given_back_is_free(store: Store):
    with store.write():
        store.orders.lease("r", "acme", NOW)
        store.orders.release("r", "acme")
        assert store.orders.leased(NOW) == set()
        store.orders.succeeded("r", "acme")
        store.orders.renew(NOW)
    assert store.orders.records() == []


def as_process(pid: int) -> str:
    boot = process_name().partition("@")[2].partition("/")[0]
    return f"{pid}@{boot}/{ticks_of(pid) if is_running(pid) else 0}"


# Roots


def test_the_newest_root_signs_and_those_before_it_are_kept(store: Store):
    first, second = a_root(), a_root()
    assert (store.roots.load(), store.roots.present()) == (None, None)
    with store.write():
        store.roots.add(first, NOW)
    with store.write():
        store.roots.add(second, NOW + HOUR)
    loaded = store.roots.load()
    assert loaded is not None
    assert (loaded.sha256, loaded.key_pem()) == (second.sha256, second.key_pem())
    present, before = store.roots.all()
    assert present == store.roots.present()
    assert (present.sha256, present.retired_at, present.certificates) == (second.sha256, None, second.pem().decode())
    assert (before.sha256, before.retired_at, before.created_at) == (first.sha256, NOW + HOUR, NOW)
    assert (present.subject, present.not_before, present.not_after) == (
        "Toy Root CA",
        second.not_before,
        second.not_after,
    )


def test_a_sealed_copy_of_each_root_stands_beside_the_database(layout: Layout, store: Store):
    root = a_root()
    with store.write():
        store.roots.add(root, NOW)
    copy = layout.private / f"root-{root.sha256[:16]}.sealed"
    assert store.sealer.open(copy.read_bytes(), f"key of root {root.sha256}") == root.key_pem()
    assert {mode(path) for path in layout.private.glob("root-*")} == {0o600}
    assert copy.with_suffix(".pem").read_bytes() == root.pem()


# Modules, needs, bindings


def test_modules_are_kept_in_place_of_the_last_ones(store: Store):
    rows = [
        ModuleRecord("mail", "mail", "Mail", enabled=True, services=("postfix", "dovecot"), problem=None),
        ModuleRecord("vpn", "ikev2", "VPN", enabled=False, services=(), problem=PROBLEM),
    ]
    for kept in (rows, rows[1:]):
        with store.write():
            store.modules.put(kept)
        assert store.modules.all() == kept


def test_needs_come_back_as_they_were(store: Store):
    needs = [
        Need(("www.example.test",), module="web", slot="b"),
        Need(
            ("192.0.2.1", "gw"),
            module="vpn",
            slot="a",
            key_types=(KeyType.RSA_3072, KeyType.ED25519),
            purpose=Purpose.CLIENT,
            sources=("local",),
            pin="ab12",
        ),
        Need(("gw",), module="web", slot="a"),
    ]
    with store.write():
        store.modules.put_needs(needs)
    assert store.modules.needs() == needs
    assert store.modules.needs("web") == [needs[0], needs[2]]
    with store.write():
        store.modules.put_needs(needs[:1])
    assert store.modules.needs() == needs[:1]


def test_bindings_that_got_another_chain_are_told(store: Store):
    first = [
        Binding("web", "a", "1" * 64, "because", LadderPosition.WANTED),
        Binding("web", "b", None, "none", LadderPosition.MISSING),
    ]
    second = [
        replace(first[0], reason="better words"),
        replace(first[1], chain="2" * 64, standing=LadderPosition.FALLBACK),
    ]
    with store.write():
        assert store.modules.put_bindings(first) == [first[0]]
        assert store.modules.put_bindings(first) == []
        assert store.modules.put_bindings(second) == [second[1]]
    assert store.modules.bindings() == second


# Deployments


def a_generation(number: int = 1, owner: str = "module:mail", chain: str = "c" * 64) -> Generation:
    files = (
        ManifestFile("mail.pem", "default", 0o600, "root", "mail", chain=chain, parts=("key", "fullchain"), index=0),
        ManifestFile("mail.conf", None, 0o640, "", "", text=f"d{number}", publish="/etc/mail.conf", how="copy"),
    )
    return Generation(owner, number, files, {"default": chain}, f"digest {number}", {"mail.pem": "5" * 64})


def test_generations_come_back_and_their_numbers_are_never_used_twice(store: Store):
    assert [store.deployments.next_number("module:mail") for _ in range(3)] == [1, 2, 3]
    assert store.deployments.next_number("service:mail") == 1
    made = [a_generation(1), a_generation(2, chain="e" * 64), a_generation(1, "service:mail")]
    with store.write():
        for each in made:
            store.deployments.put_generation(each, {f"d{each.number}": f"text {each.number}"}, NOW)
    assert store.deployments.generation("module:mail", 1) == made[0]
    assert store.deployments.generation("module:mail", 7) is None
    assert store.deployments.numbers("module:mail") == [1, 2]
    assert store.deployments.owners() == ["module:mail", "service:mail"]
    assert {file.path: file.secret for file in made[0].files} == {"mail.pem": True, "mail.conf": False}


def test_texts_live_as_long_as_a_generation_names_them(store: Store):
    with store.write():
        for number in (1, 2):
            store.deployments.put_generation(a_generation(number), {f"d{number}": "text"}, NOW)
        store.deployments.drop_generation("module:mail", 1)
        store.deployments.drop_unused_texts()
    assert store.deployments.texts(["d1", "d2", "d3"]) == {"d2": "text"}


def test_deployments_come_back_as_they_were(store: Store):
    rows = {
        "mail": Deployment("mail", 3, Outcome.ROLLED_BACK, "probing", PROBLEM, "i", NOW, 2, NOW + HOUR),
        "web": Deployment("web", None, Outcome.REFUSED),
    }
    with store.write():
        for row in rows.values():
            store.deployments.put(row)
        store.deployments.refuse(a_refusal())
    assert store.deployments.all() == rows
    with store.write():
        store.deployments.drop("mail")
    assert list(store.deployments.all()) == ["web"]
    assert store.deployments.refusals() == []


def a_refusal(**more) -> Refusal:
    row = Refusal("mail", "default", RefusedKind.CHAIN, "c" * 64, PROBLEM, 2, NOW + HOUR)
    return replace(row, **more)


def test_refusals_are_kept_counted_accepted_and_dropped_when_stale(store: Store):
    other = a_refusal(slot="imap", subject="e" * 64)
    with store.write():
        for row in (a_refusal(), other, a_refusal(attempts=3), a_refusal(module="web")):
            store.deployments.refuse(row)
    assert store.deployments.refusals() == [a_refusal(attempts=3), other, a_refusal(module="web")]
    with store.write():
        store.deployments.accept("mail", ["c" * 64])
    assert store.deployments.refusals() == [other, a_refusal(module="web")]
    with store.write():
        store.deployments.drop_stale_refusals("mail", ["c" * 64])
        store.deployments.drop_stale_refusals("web", ["c" * 64])
    assert store.deployments.refusals() == [a_refusal(module="web")]


def test_a_transaction_is_known_from_its_first_step_to_its_end(store: Store):
    first = TransactionRow("t1", "job", "staged", {"modules": {"mail": [1, 2]}})
    with store.write():
        store.deployments.put_transaction(first, NOW)
        store.deployments.put_transaction(replace(first, id="t2"), NOW + HOUR)
        store.deployments.put_transaction(replace(first, phase="switching"), NOW)
    rows = store.deployments.transactions()
    assert [(row.id, row.phase) for row in rows] == [("t1", "switching"), ("t2", "staged")]
    assert rows[0].record == first.record
    with store.write():
        store.deployments.end_transaction("t1")
    assert [row.id for row in store.deployments.transactions()] == ["t2"]


def test_the_entry_of_a_service_is_remembered(store: Store):
    assert store.deployments.entry("nginx") is None
    with store.write():
        store.deployments.put_entry("nginx", 4)
    assert store.deployments.entry("nginx") == 4
    with store.write():
        store.deployments.put_entry("nginx", None)
    assert store.deployments.entry("nginx") is None


# Endpoints


def an_endpoint(module: str, key: str, **more) -> EndpointRecord:
    row = EndpointRecord(module, key, "default", "[::1]:443", "a.test", "c" * 64, "d" * 64, True, None, NOW, NOW + HOUR)
    return replace(row, **more)


def test_endpoints_come_back_as_they_were_seen(store: Store):
    first, second = an_endpoint("mail", "a"), an_endpoint("web", "b", next_at=NOW)
    with store.write():
        store.endpoints.put("mail", [first, an_endpoint("mail", "old")])
        store.endpoints.put("web", [second])
        store.endpoints.put("mail", [first])
    assert store.endpoints.all() == [first, second]
    bad = replace(first, ok=False, problem=PROBLEM, served_sha256=None, next_at=None)
    with store.write():
        store.endpoints.update([bad])
        store.endpoints.keep_modules(["mail"])
    assert store.endpoints.all() == [bad]
    with store.write():
        store.endpoints.keep_modules([])
    assert store.endpoints.all() == []


# Events


def test_events_grow_and_are_read_from_where_one_stopped(store: Store):
    with store.write():
        numbers = [
            store.journal.add(
                Event(at=NOW, kind=EventKind.STEP, text=f"step {each}", job="job", module="mail", detail={"step": each})
            )
            for each in range(5)
        ]
        store.journal.add(Event(at=NOW, kind=EventKind.DRIFT, text="drift", job="other", module="web"))
    assert numbers == sorted(set(numbers))
    assert [event.text for event in store.journal.since(numbers[3])] == ["step 4", "drift"]
    assert [event.text for event in store.journal.since(job="job", limit=2)] == ["step 3", "step 4"]
    assert [event.text for event in store.journal.since(numbers[0], module="mail", limit=2)] == ["step 1", "step 2"]
    [seen] = store.journal.since(module="web")
    assert seen == Event(
        at=NOW, kind=EventKind.DRIFT, text="drift", job="other", module="web", detail={}, id=numbers[-1] + 1
    )


def test_old_events_are_dropped_and_numbers_go_on(store: Store):
    with store.write():
        for each in range(5):
            store.journal.add(Event(at=NOW, kind=EventKind.STEP, text=str(each)))
        store.journal.trim(keep=3)
        last = store.journal.add(Event(at=NOW, kind=EventKind.STEP, text="5"))
    assert [event.text for event in store.journal.since()] == ["2", "3", "4", "5"]
    assert last == 6


def test_events_and_problems_are_plain_json(store: Store):
    event = Event(at=NOW, kind=EventKind.DRIFT, text="x", detail={"served": ["a"]}, id=7)
    assert json.loads(json.dumps(event.to_json()))["at"] == "2026-11-01T12:00:00Z"
    assert Problem.from_json(json.loads(json.dumps(PROBLEM.to_json()))) == PROBLEM


def test_a_chain_of_the_tests_is_a_real_one(authority: Authority):
    assert isinstance(authority.chain("x.example.test"), Chain)
