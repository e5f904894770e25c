"""Each column of each table is damaged, one at a time: nothing ends in an unexpected error, and what serves goes on serving.

``CHAINWRIGHT_FUZZ=long pytest -n0 tests/store/test_every_column.py`` tries all of it; without, some.
"""

from __future__ import annotations

import random
import sqlite3
import traceback
from collections.abc import Iterator

import pytest
from sqlite_utils import Database

from agent.cli.program import run
from agent.store.migrations import migrations
from agent.store.schema import EXPECTED
from store.test_damaged_rows import fill
from support.appliances.api import NAME, make_people, make_tunnel
from support.appliances.deployed import Deployed, served
from support.fuzz import LONG, NEVER_HANGS
from support.processes.api import ApiProcess

COMMANDS = (
    ("status",),
    ("plan",),
    ("explain", "tunnel", "default"),
    ("show", NAME),
    ("events",),
    ("root", "list"),
    ("root", "peers"),
    ("acme", "show"),
    ("webui", "list"),
    ("webui", "audit"),
    ("webui", "token", "list"),
)
"""Those that only look."""
ROUTES = (
    *("/v1/status", "/v1/jobs", "/v1/root", "/v1/root/peers", "/v1/pins", "/v1/users", "/v1/tokens", "/v1/audit"),
    *("/v1/events?follow=false", "/v1/session"),
)
DAMAGES = {
    "NULL": None,
    "a number": -7,
    "a text": "x",
    "JSON of another kind": '{"a": [1]}',
    "a list of numbers": "[1, 2]",
    "an impossible instant": "2026-13-45T99:00:00+00:00",
    "an instant far off": "9999-12-31T23:59:59.999999-23:00",
    "1 MB": "a" * 1_000_000,
    "a blob": b"\x00\xff" * 8,
}
PROBLEMS = ("nexpected error", "Traceback", '"api.failed"')
SEED = 20_260_101


class Tunnelled(Deployed):
    name = "tunnel"


def columns() -> dict[str, list[str]]:
    """Return the columns of each table of the present schema."""
    database = Database(memory=True)
    migrations.apply(database)
    kept = {name for name in database.table_names() if not name.startswith("_")}
    return {name: [column.name for column in database[name].columns] for name in sorted(kept)}


COLUMNS = columns()


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[tuple[Deployed, ApiProcess]]:
    with pytest.MonkeyPatch.context() as patch:
        made = Tunnelled(tmp_path_factory.mktemp("shared"))
        patch.setenv("PATH", made.path)
        make_tunnel(made)
        make_people(made)
        with ApiProcess(made.layout) as api:
            fill(made)
            fill_more(made)
            yield made, api
        made.close()


def fill_more(appliance: Deployed) -> None:
    """Put a row into each table that `fill` leaves empty."""
    database = sqlite3.connect(appliance.layout.database)
    for table, names in COLUMNS.items():
        if database.execute(f"select count(*) from {table}").fetchone() == (0,) and table != "transactions":
            values = {name: f"{name} 1" for name in names}
            values |= {name: "2026-11-01T12:00:00+00:00" for name in names if name.endswith(("at", "since"))}
            kinds = {row[1]: row[2] for row in database.execute(f"pragma table_info({table})")}
            values |= {name: 1 for name in names if kinds[name] == "INTEGER"}
            values |= {name: b"\x00" * 40 for name in names if kinds[name] == "BLOB"}
            database.execute(
                f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})",
                [values[name] for name in names],
            )
    database.commit()
    database.close()


def test_what_readers_expect_of_a_column_is_what_the_migrations_make():
    database = sqlite3.connect(":memory:")
    migrations.apply(Database(database))
    kinds = {"TEXT": str, "INTEGER": int, "BLOB": bytes}
    for table, expected in EXPECTED.items():
        made = {row[1]: kinds[row[2]] for row in database.execute(f"pragma table_info({table})")}
        assert {name: kind for name, (kind, _) in expected.items()}.items() <= made.items()
    database.close()


@pytest.mark.sampled(8)
@pytest.mark.parametrize("table", COLUMNS)
@NEVER_HANGS
def test_no_damaged_column_ends_in_an_unexpected_error(box, table, capsys):
    appliance, api = box
    good = sqlite3.connect(":memory:")
    live = sqlite3.connect(appliance.layout.database)
    live.backup(good)
    cases = [(column, how) for column in COLUMNS[table] for how in DAMAGES]
    if not LONG:
        cases = random.Random(f"{SEED} {table}").sample(cases, 2)
    found: list[str] = []
    for column, how in cases:
        good.backup(live)
        try:
            with live:
                if table == "transactions":
                    live.execute("insert into transactions (id, job, phase) values ('1', '', 'stage')")
                live.execute(f"update {table} set {column} = ?", [DAMAGES[how]])
        except sqlite3.IntegrityError:
            continue  # the schema itself refuses it
        found += [f"{table}.{column} = {how}: {each}" for each in tried(appliance, api, capsys)]
    good.backup(live)
    live.close()
    good.close()
    assert found == [], "\n".join(found)


def tried(appliance: Deployed, api: ApiProcess, capsys) -> Iterator[str]:
    """Yield what went wrong."""
    root = str(appliance.root)
    for command in COMMANDS:
        code = run("chainwright", [*command, "--root", root])
        printed = capsys.readouterr()
        if any(each in printed.err for each in PROBLEMS):
            yield f"{' '.join(command)}: {code}: {printed.err[:300]}"
    for route in ROUTES:
        reply = api.root.get(route)
        if reply.status >= 500 or any(each.encode() in reply.content for each in PROBLEMS):
            yield f"{route}: {reply.status} {reply.content[:300]!r}"
    for after in (0, 25):
        appliance.clock.advance(hours=after)
        try:
            appliance.apply()
        except Exception as error:
            where = "".join(line for line in traceback.format_exc().splitlines(keepends=True) if "File" in line)
            yield f"apply: {error!r:.200} {where[-500:]}"
        appliance.clock.advance(hours=-after)
    code = run("chainwright", ["status", "--root", root])
    printed = capsys.readouterr()
    if "unexpected error" in printed.err:
        yield f"status afterwards: {printed.err[:300]}"
    if not served(appliance.port, NAME):
        yield "nothing is served"
