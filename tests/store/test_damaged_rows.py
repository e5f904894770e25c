"""A row that can't be decoded costs its own subject only, is named, and is mended by a pass where it can be."""

import json
import sqlite3
from collections.abc import Iterator

import pytest

from agent.cli.program import run
from agent.errors.problem import Problem
from agent.model.deployment import Refusal, RefusedKind
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.kept_key import KeyRole
from agent.model.need import Request
from agent.model.override import OverrideBase
from agent.model.records import OrderRecord, Watch
from agent.model.resolved import ResolvedName
from agent.pki.chain import KeyType, Purpose, generate_key
from agent.store.integrity import read_all
from agent.store.schema import KEYS, MADE_AGAIN, PEOPLES
from support.appliances.api import NAME, make_tunnel
from support.appliances.deployed import Deployed, served
from support.clients.terminal import Terminal
from support.told import codes, told

COMMANDS = (
    ("status",),
    ("explain", "tunnel", "default"),
    ("show", NAME),
    ("events",),
    ("plan",),
    ("root", "peers"),
)
"""Those that only look."""
DAILY = {"events", "footprints", "generations", "jobs"}
"""Tables that a pass with nothing to do doesn't read: they are checked once a day."""
DAMAGES = [
    ("chains", "names", "{"),
    ("chains", "not_after", "2O26-11-01"),
    ("chains", "not_after", "2026-11-01T12:00:00"),
    ("chains", "key_type", "dsa"),
    ("chains", "warnings", "[1]"),
    ("chains", "edition", "x"),
    ("roots", "not_before", "yesterday"),
    ("roots", "created_at", "x"),
    ("modules", "services", "{"),
    ("modules", "problem", "3"),
    ("needs", "need", "[]"),
    ("bindings", "standing", "sideways"),
    ("footprints", "footprint", "x"),
    ("orders", "retry_at", "soon"),
    ("orders", "problem", "["),
    ("orders", "attempts", "many"),
    ("reissues", "chains", "["),
    ("watches", "next_at", "x"),
    ("refusals", "problem", "null"),
    ("refusals", "kind", "x"),
    ("endpoints", "next_at", "x"),
    ("endpoints", "problem", "{}"),
    ("deployments", "outcome", "splendid"),
    ("deployments", "at", "x"),
    ("generations", "manifest", "x"),
    ("generations", "chains", "x"),
    ("transactions", "record", "x"),
    ("failing_names", "requests", "x"),
    ("resolved_names", "seen", "[]"),
    ("events", "detail", "x"),
    ("events", "kind", "x"),
    ("jobs", "started_at", "x"),
    ("conditions", "severity", "dreadful"),
]


def fill(appliance) -> None:
    """Put a row into each table that has none on a quiet appliance."""
    now, problem = appliance.clock(), Problem("test.noted", "It was noted.")
    request = Request(names=frozenset({"gone.example.test"}), key_type=KeyType.ECDSA_P256, purpose=Purpose.SERVER)
    with appliance.store() as store, store.write():
        (binding,) = store.modules.bindings()
        store.orders.failed(
            OrderRecord(
                request=request.id,
                source="acme",
                attempts=1,
                retry_at=now,
                problem=problem.to_json(),
                permanent=False,
                settings_digest="",
            )
        )
        store.orders.ask_again(request.id, now)
        store.kept_keys.add(request.id, generate_key(request.key_type), KeyRole.NEXT, now)
        store.watches.put(Watch(chain=binding.chain, next_at=now))
        store.deployments.refuse(Refusal("gone", "a", RefusedKind.CHAIN, "b", problem, 1, now))
        store.resolved.put([ResolvedName("gone", "db.test", now, 60)])
        store.overrides.put([OverrideBase("gone/a.j2", "", now)])
        store.failing.add("acme", ["gone.example.test"], request, now)
        store.database.execute("delete from jobs")
        store.database.execute("insert into jobs (id, action, subject, who, started_at) values ('1', '', '', '', '')")
        store.database.execute("delete from conditions")
        store.conditions.replace("a", [Finding(SubjectKind.CA, "b", Severity.NOTICE, problem)], now)


def damage(appliance, table: str, column: str, value: object) -> None:
    """Change one column of a table's rows as a failing disk might, behind the agent's back."""
    with sqlite3.connect(appliance.layout.database) as database:
        if table == "transactions":
            database.execute("insert into transactions (id, job, phase) values ('1', '', 'stage')")
        assert database.execute(f"update {table} set {column} = ?", [value]).rowcount
    database.close()


class Tunnelled(Deployed):
    name = "tunnel"


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Deployed]:
    """An appliance with the module `tunnel` that goes from one damage to the next."""
    with pytest.MonkeyPatch.context() as patch:
        made = Tunnelled(tmp_path_factory.mktemp("shared"))
        patch.setenv("PATH", made.path)
        make_tunnel(made)
        yield made
        made.close()


@pytest.mark.sampled(8)
@pytest.mark.parametrize(("table", "column", "value"), DAMAGES, ids=lambda each: str(each)[:20])
def test_a_damaged_row_stops_nothing_and_is_mended_by_the_next_pass(shared, table, column, value, capsys):
    fill(shared)
    serving = served(shared.port, NAME)
    damage(shared, table, column, value)
    for command in COMMANDS:
        run("chainwright", [*command, "--root", str(shared.root)])
        assert "unexpected" not in capsys.readouterr().err, command
    if table in DAILY:
        shared.clock.advance(hours=25)
    shared.apply()
    assert served(shared.port, NAME) == serving
    run("chainwright", ["status", "--json", "--root", str(shared.root)])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert "status.damaged_row" not in [each["problem"]["code"] for each in found], found
    with shared.store() as store:
        roots = store.roots.all()
        (binding,) = store.modules.bindings()
        read_all(store)
        assert [row for row in store.database.damaged.values() if row.table == table] == []
    assert (len(roots), binding.chain) == (1, serving)
    shared.apply()
    assert [each.ok for each in shared.records()] == [True]
    shared.assert_live()


@pytest.mark.parametrize(
    ("table", "column", "severity"),
    [("chains", "names", "error"), ("roots", "not_after", "error"), ("deployments", "outcome", "warning")],
)
def test_the_status_names_a_damaged_row(tunnel, table, column, severity):
    damage(tunnel, table, column, "x")
    found = [each for each in told(tunnel) if each["problem"]["code"] == "status.damaged_row"]
    assert [(each["kind"], each["severity"]) for each in found] == [("appliance", severity)]
    with tunnel.store() as store:
        key = store.database.execute(f"select {', '.join(KEYS[table])} from {table}").fetchone()
    problem = found[0]["problem"]
    assert problem["cause"].startswith(f'The row "{key[0]}" of the table {table} can\'t be read: ')
    assert problem["where"] == str(tunnel.layout.database)
    assert problem["effect"] == "What it tells of is left out, and everything else goes on."
    assert "chainwright apply" in problem["fix"]


def test_a_text_that_is_no_utf_8_is_a_damaged_row(tunnel):
    with sqlite3.connect(tunnel.layout.database) as database:
        database.execute("update modules set title = cast(x'ff61' as text)")
    database.close()
    (found,) = (each for each in told(tunnel) if each["problem"]["code"] == "status.damaged_row")
    assert (
        found["problem"]["cause"]
        == 'The row "tunnel" of the table modules can\'t be read: ValueError: it is not UTF-8.'
    )


def test_no_root_is_made_in_place_of_one_that_can_no_longer_be_read(tunnel):
    damage(tunnel, "roots", "certificates", "x")
    damage(tunnel, "roots", "not_after", "x")
    terminal = Terminal(tunnel.root)
    assert terminal.run("apply").returncode == 3
    with tunnel.store() as store:
        assert store.database.execute("select count(*) from roots").fetchone() == (1,)
    (found,) = (each for each in told(tunnel) if each["problem"]["code"] == "status.damaged_row")
    assert (found["severity"], found["since"] is not None) == ("error", True)
    assert found["problem"]["fix"].endswith("restore it from a backup")


def test_a_chain_that_was_revoked_stays_revoked_when_its_row_is_mended(tunnel):
    with tunnel.store() as store, store.write():
        (binding,) = store.modules.bindings()
        store.chains.revoke(binding.chain, tunnel.clock())
    damage(tunnel, "chains", "names", "x")
    tunnel.apply()
    with tunnel.store() as store:
        assert store.chains.record(binding.chain).revoked_at is not None


def test_a_file_that_sqlite_cannot_read_wholly_is_found_once_a_day(tunnel):
    with tunnel.store() as store:
        (page,) = store.database.execute(
            "select rootpage from sqlite_master where tbl_name = 'login_failures' and type = 'table'"
        ).fetchone()
        (size,) = store.database.execute("pragma page_size").fetchone()
        store.database.execute("pragma wal_checkpoint(truncate)")
    with tunnel.layout.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x00" * 200)
    tunnel.apply()
    assert told(tunnel) == []
    tunnel.clock.advance(hours=25)
    tunnel.apply()
    found = told(tunnel)
    assert ("appliance", "database", "error", "status.damaged_database") in codes(found)
    assert "SQLite can't read the whole database: " in found[0]["problem"]["cause"]


def test_what_a_pass_drops_is_no_key_no_certificate_and_nobodys_account():
    kept = set(KEYS) - MADE_AGAIN
    assert kept == {"account_keys", "audit_ends", "audits", "chains", "people", "peers", "revocations", "roots"}
    assert PEOPLES < MADE_AGAIN
