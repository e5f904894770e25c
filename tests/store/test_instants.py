"""Every instant that is kept has a class, so that none is compared with the present without a bound.

A column that is new fails here until it is said what it is. What is waited for is a `Pause` of `agent.model.pause`, with the
column of its beginning; what only says when something happened is compared with the present to ask whether that was lately, so
that what lies in the future counts for nothing.
"""

import ast
import re
from pathlib import Path

from sqlite_utils import Database

import agent.auth
import agent.model
from agent.store.migrations import migrations

FACT, VALIDITY, PAUSE, NONE = "past fact", "validity", "pause", "no instant"
COLUMNS = {
    "_sqlite_migrations": {"applied_at": FACT},
    "account_keys": {"created_at": FACT},
    "audit_ends": {"before": NONE},
    "audit_repeats": {"at": FACT, "since": FACT},
    "audits": {"at": FACT},
    "bindings": {"since": FACT},
    "chains": {
        "created_at": FACT,
        "revoked_at": FACT,
        "not_before": VALIDITY,
        "not_after": VALIDITY,
        "leaf_not_after": VALIDITY,
    },
    "challenge_windows": {"at": FACT, "tried_at": FACT, "retry_at": PAUSE},
    "conditions": {"since": FACT},
    "cross_certificates": {"created_at": FACT, "not_before": VALIDITY, "not_after": VALIDITY},
    "deliveries": {"tried_at": FACT, "retry_at": PAUSE},
    "deployments": {"at": FACT, "tried_at": FACT, "retry_at": PAUSE},
    "devices": {"made_at": FACT, "used_at": FACT},
    "dns_records": {"at": FACT, "tried_at": FACT, "retry_at": PAUSE},
    "endpoints": {"checked_at": FACT, "served_at": FACT, "wrong_since": FACT, "next_at": PAUSE},
    "events": {"at": FACT},
    "failing_names": {"since": FACT, "passed_at": FACT},
    "generations": {"created_at": FACT},
    "jobs": {"started_at": FACT, "ended_at": FACT},
    "kept_keys": {"since": FACT, "unneeded_since": FACT},
    "ledger": {"at": FACT},
    "login_failures": {"at": FACT},
    "observations": {"since": FACT, "tried_at": FACT, "retry_at": PAUSE},
    "orders": {"lease_at": FACT, "tried_at": FACT, "retry_at": PAUSE},
    "overrides": {"since": FACT},
    "peers": {
        "created_at": FACT,
        "replaced_at": FACT,
        "revoked_at": FACT,
        "not_before": VALIDITY,
        "not_after": VALIDITY,
        "tried_at": FACT,
        "retry_at": PAUSE,
    },
    "people": {"changed_at": FACT, "used_at": FACT},
    "pins": {"at": FACT},
    # What a record says of its own end is the word of whoever set it.
    "persistent": {"until": VALIDITY, "right_at": FACT, "asked_at": FACT, "next_at": PAUSE},
    "refusals": {"tried_at": FACT, "retry_at": PAUSE},
    "reissues": {"asked_at": FACT},
    "resolved_names": {"answered_at": FACT, "asked_at": FACT, "failing_since": FACT, "kept_since": FACT},
    "revocation_lists": {"this_update": VALIDITY, "next_update": VALIDITY},
    "revocations": {"at": FACT, "not_after": VALIDITY},
    # What a root waits for is a date of a calendar that people see and move, and that its own validity bounds.
    "roots": {
        "created_at": FACT,
        "replaced_at": FACT,
        "retired_at": FACT,
        "not_before": VALIDITY,
        "not_after": VALIDITY,
        "signs_at": VALIDITY,
        "retires_at": VALIDITY,
    },
    "rows_set_aside": {"at": FACT},
    "sessions": {"opened_at": FACT, "seen_at": FACT, "password_at": FACT, "ends_at": VALIDITY},
    "tlsa": {"since": FACT, "asked_at": FACT, "next_at": PAUSE},
    "tokens": {"made_at": FACT, "used_at": FACT, "expires_at": VALIDITY},
    "transactions": {"started_at": FACT},
    "watches": {
        "asked_at": FACT,
        "crl_asked_at": FACT,
        "next_at": PAUSE,
        "crl_at": PAUSE,
        # The safety floor of the chain bounds what its CA suggests.
        "renew_at": VALIDITY,
        "window_start": VALIDITY,
        "window_end": VALIDITY,
    },
}
BEGINNINGS = {
    ("challenge_windows", "retry_at"): "tried_at",
    ("deliveries", "retry_at"): "tried_at",
    ("deployments", "retry_at"): "tried_at",
    ("dns_records", "retry_at"): "tried_at",
    ("endpoints", "next_at"): "checked_at",
    ("observations", "retry_at"): "tried_at",
    ("orders", "retry_at"): "tried_at",
    ("peers", "retry_at"): "tried_at",
    ("persistent", "next_at"): "asked_at",
    ("refusals", "retry_at"): "tried_at",
    ("tlsa", "next_at"): "asked_at",
    ("watches", "next_at"): "asked_at",
    ("watches", "crl_at"): "crl_asked_at",
}
"""Of each pause."""
AN_INSTANT = re.compile(r"(^|_)(at|since|until|before|after|update|start|end|ends|expires|due)$")
ELSEWHERE = {"begun", "until", "idle_at", "password_until"}
"""Fields that no column has: of a pause, and of a session as it is told."""


def kept() -> dict[str, set[str]]:
    """Return the columns with an instant, by table."""
    database = Database(memory=True)
    migrations.apply(database)
    found = {
        table: {each.name for each in database[table].columns if each.type == "TEXT" and AN_INSTANT.search(each.name)}
        for table in database.table_names()
    }
    database.close()
    return {table: columns for table, columns in found.items() if columns}


def test_every_instant_in_the_database_has_a_class():
    assert kept() == {table: set(columns) for table, columns in COLUMNS.items()}


def test_every_pause_says_when_it_began():
    pauses = {(table, name) for table, columns in COLUMNS.items() for name, kind in columns.items() if kind == PAUSE}
    assert pauses == set(BEGINNINGS)
    assert all(COLUMNS[table][begun] == FACT for (table, _), begun in BEGINNINGS.items())


def test_every_instant_of_what_is_kept_is_named_like_one_of_the_database():
    """A field of another name, or a column whose name says nothing, would slip through."""
    known = {name for columns in COLUMNS.values() for name in columns} | ELSEWHERE
    found = {
        (path.name, each.target.id)
        for package in (agent.model, agent.auth)
        for path in Path(package.__path__[0]).glob("*.py")
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        if "datetime" in ast.unparse(each.annotation).replace("[", " ").split()
    }
    assert len(found) > 40
    assert {each for each in found if each[1] not in known} == set()
