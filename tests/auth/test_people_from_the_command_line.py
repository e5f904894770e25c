"""Who gets into the web interface, as it is said on the appliance itself."""

import contextlib
import json
from datetime import timedelta

import pytest

from agent.auth import Accounts, Role
from agent.auth.person import TokenMaker
from agent.cli.actor import command_actor
from agent.errors.auth import InvalidCredentials, TooManyLogins
from agent.store import Store
from support.appliances.deployed import Deployed
from support.clients.terminal import Terminal
from support.passwords import CHEAP

GOOD = "four plain words here\n"
WHO = command_actor().name
REFUSED = "Error: This needs confirmation; nothing was changed.\nIn scripts: --yes\n"


@pytest.fixture
def console(appliance: Deployed) -> Terminal:
    with Store.open(appliance.layout):
        return Terminal(appliance.root)


def test_the_first_password_is_set_and_changed(console):
    assert console.run("webui", "password", "--stdin", typed=GOOD).stderr == (
        "admin: the new password is in force, and sessions with the old one have ended.\n"
    )
    assert console.run("webui", "password", "--stdin", typed=GOOD).returncode == 0
    assert console.run("webui", "password", "ann", "--stdin", typed=GOOD).returncode == 0
    assert console.run("webui", "users").stdout == "USER   ROLE\nadmin  admin\nann    viewer\n"
    rows = json.loads(console.run("webui", "users", "--json").stdout)["users"]
    assert rows[0] == {"user": "admin", "role": "admin", "must_change": False}


def test_a_one_time_password_is_printed_whether_or_not_somebody_is_there(appliance, console):
    first = console.run("webui", "password", "--one-time")
    assert first.stdout.count("-") == 3
    assert first.stderr.startswith("admin: good for one login until ")
    assert "one-time password" in console.run("webui", "users").stdout
    console.run("webui", "password", "--stdin", typed=GOOD)
    made = console.json("webui", "password", "--one-time")
    assert (made["user"], set(made)) == ("admin", {"schema", "user", "one_time_password", "ends_at"})
    assert console.run("webui", "password", "ann", "--one-time", "--role", "admin").returncode == 0
    with Store.open(appliance.layout) as store:
        accounts = Accounts(store, CHEAP)
        assert accounts.check_password("admin", made["one_time_password"], "192.0.2.7", appliance.clock()).must_change
        assert [each.role for each in accounts.all()] == ["admin", "admin"]
        assert [row.action for row in accounts.audits(9)].count("one-time password made") == 1
    both = console.run("webui", "password", "--one-time", "--stdin", typed=GOOD)
    assert (both.returncode, "leave --stdin out" in both.stderr) == (2, True)


def test_a_password_is_not_taken_from_a_script_by_accident(console):
    done = console.run("webui", "password", typed=GOOD)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        'Error: There is no terminal on which the new password of "admin" could be typed.',
    )
    assert console.run("webui", "password", "--stdin", typed="short\n").returncode == 1
    assert console.run("webui", "users").stdout == "USER  ROLE\n"


def test_guessing_does_not_keep_the_console_out_and_a_password_that_is_set_there_is_good_at_once(appliance, console):
    console.run("webui", "password", "--stdin", typed=GOOD)

    def log_in(password):
        with Store.open(appliance.layout) as store:
            return Accounts(store, CHEAP).check_password("admin", password, "192.0.2.7", appliance.clock())

    for _ in range(10):
        with contextlib.suppress(InvalidCredentials, TooManyLogins):
            log_in("not the password")
    with pytest.raises(TooManyLogins):
        log_in(GOOD.strip())
    assert console.run("webui", "password", "--stdin", typed="another four plain words\n").returncode == 0
    assert log_in("another four plain words").name == "admin"
    assert console.run("status").returncode == 0


def test_a_user_is_let_in_no_more_but_not_the_last_administrator(console):
    console.run("webui", "password", "--stdin", typed=GOOD)
    console.run("webui", "password", "ann", "--stdin", typed=GOOD)
    assert console.run("webui", "remove", "ann").stderr == "ann is removed, and their sessions have ended.\n"
    done = console.run("webui", "remove", "admin")
    assert done.returncode == 1
    assert 'The user "admin" is refused: nobody else is an administrator.' in done.stderr


def test_a_token_is_shown_once_listed_and_revoked(console):
    made = console.run("webui", "token", "create", "monitoring", "--days", "7")
    assert made.stdout.startswith("cwt_")
    row = json.loads(console.run("webui", "token", "list", "--json").stdout)["tokens"][0]
    assert (row["name"], row["role"], row["made_by"], row["used_at"]) == ("monitoring", "viewer", WHO, None)
    assert "monitoring" in console.run("webui", "token", "list").stdout
    assert made.stdout.strip() not in console.run("webui", "token", "list", "--json").stdout
    asked = console.run("webui", "token", "revoke", row["id"])
    assert (asked.returncode, asked.stderr) == (
        2,
        f"The token monitoring ends: made by {WHO}, role viewer, never used.\n{REFUSED}",
    )
    assert console.run("webui", "token", "revoke", row["id"], "--yes").returncode == 0
    assert console.run("webui", "token", "revoke", row["id"], "--yes").returncode == 1
    assert json.loads(console.run("webui", "token", "create", "x", "--json").stdout)["token"].startswith("cwt_")


def test_what_ends_tokens_says_which_and_asks(appliance, console):
    for name in ("ann", "bob"):
        console.run("webui", "password", name, "--stdin", "--role", "admin", typed=GOOD)
    with Store.open(appliance.layout) as store:
        for number, role in enumerate((Role.ADMIN, Role.VIEWER)):
            maker = TokenMaker("ann", "ann")
            Accounts(store).make_token(f"t{number}", role, maker, appliance.clock(), timedelta(days=9))
    of_ann = "2 tokens of ann end: t0, t1.\n"
    for words in (("password", "ann", "--stdin"), ("password", "ann", "--one-time"), ("remove", "ann")):
        done = console.run("webui", *words, typed=GOOD)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", of_ann + REFUSED), words
    lesser = console.run("webui", "role", "ann", "viewer")
    assert (lesser.returncode, lesser.stderr) == (2, "1 token of ann ends: t0.\n" + REFUSED)
    assert console.run("webui", "role", "ann", "viewer", "--yes").returncode == 0
    assert [each["name"] for each in console.json("webui", "token", "list")["tokens"]] == ["t1"]
    assert console.run("webui", "remove", "ann", "--yes").stderr == (
        "1 token of ann ends: t1.\nann is removed, and their sessions have ended.\n"
    )
    assert console.json("webui", "token", "list")["tokens"] == []
    alone = console.run("webui", "role", "bob", "viewer")
    assert (alone.returncode, "nobody else is an administrator" in alone.stderr) == (1, True)


def test_what_was_done_on_the_console_is_on_record(console):
    console.run("webui", "password", "--stdin", typed=GOOD)
    console.run("webui", "token", "create", "monitoring")
    rows = json.loads(console.run("webui", "audit", "--json").stdout)["audit"]
    (token,) = console.json("webui", "token", "list")["tokens"]
    detail = f"{token['id']}, viewer, 90 days"
    assert [(row["who"], row["action"], row["subject"], row["detail"]) for row in rows] == [
        (WHO, "token made", "monitoring", detail),
        (WHO, "user added", "admin", "admin"),
    ]
    _, shown = console.run("webui", "audit", "--limit", "1").stdout.splitlines()
    assert shown.endswith(f"token made  monitoring {detail}")


def test_a_role_of_somebody_who_is_there_is_not_left_out_in_silence(console):
    console.run("webui", "password", "ann", "--stdin", typed=GOOD)
    refused = console.run("webui", "password", "ann", "--role", "admin", "--stdin", typed=GOOD)
    assert refused.returncode == 1
    assert refused.stderr == (
        'Error: The user "ann" is refused: there is one already, with the role viewer.\n'
        "Give another role: chainwright webui role ann admin\n"
    )
    assert console.run("webui", "password", "ann", "--role", "viewer", "--stdin", typed=GOOD).returncode == 0
    rows = json.loads(console.run("webui", "audit", "--json").stdout)["audit"]
    assert [(row["action"], row["detail"]) for row in rows] == [("password set", ""), ("user added", "viewer")]
