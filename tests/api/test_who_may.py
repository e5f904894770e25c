"""Who gets what from the local API: processes by their uid, people and programs by what they show, each by their role."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.api.access import Access, Proof
from agent.api.route import Route
from agent.api.routes import ROUTES
from agent.auth import Accounts, Role
from agent.auth.audit_log import CHANGES_A_DAY
from support.appliances.api import ANN, VIC, make_people, make_tunnel
from support.passwords import CHEAP
from support.paths import TESTS
from support.processes.api import ApiProcess

NOBODY = 65534
BY_NAME = {f"{route.method} {route.path}": route for route in ROUTES}
OPEN = {"POST /v1/session", "GET /v1/root/download", "GET /v1/root/crl", "GET /v1/openapi.json"}
OWN = {
    "GET /v1/session",
    "DELETE /v1/session",
    "POST /v1/password",
    "GET /v1/password/effects",
}
WEIGHTY = {
    "POST /v1/chains/{id}/export",
    "POST /v1/clock/accept",
    "POST /v1/root",
    "POST /v1/root/begin",
    "POST /v1/root/reissue",
    "POST /v1/root/retire",
    "POST /v1/root/revoke",
    "POST /v1/revoke",
    "POST /v1/tokens",
}
"""What gives keys or rights away, or can't be undone, or moves every end: the password is asked for once more."""
FOR_PEOPLE = WEIGHTY | {"DELETE /v1/tokens/{id}", "POST /v1/session/password"}
LOOKING = {
    "GET /v1/status",
    "GET /v1/chains/{id}",
    "GET /v1/chains/{id}/download",
    "GET /v1/root",
    "GET /v1/chains/{id}/effects",
    "GET /v1/reissue/effects",
    "GET /v1/root/begin",
    "GET /v1/root/effects",
    "GET /v1/root/retire",
    "GET /v1/root/peers",
    "GET /v1/root/peers/{id}/download",
    "GET /v1/root/signed/{id}/effects",
    "GET /v1/jobs",
    "GET /v1/jobs/{id}",
    "GET /v1/pins",
    "GET /v1/jobs/{id}/events",
    "GET /v1/events",
}
"""What somebody who may only look gets."""


def target(route: Route) -> str:
    return route.path.replace("{id}", "0" * 64)


def role(name: str) -> Access:
    if name in OPEN:
        return Access.PUBLIC
    if name in OWN:
        return Access.PERSON
    return Access.VIEWER if name in LOOKING else Access.ADMIN


def test_every_route_is_for_whom_it_is_meant():
    assert set(BY_NAME) >= OPEN | OWN | LOOKING
    assert {name: route.access for name, route in BY_NAME.items()} == {name: role(name) for name in BY_NAME}


def test_what_a_route_wants_beside_the_role_is_what_it_weighs():
    assert {name for name, route in BY_NAME.items() if route.proof is Proof.PASSWORD} == WEIGHTY
    assert {name for name, route in BY_NAME.items() if route.proof is not Proof.NONE} == FOR_PEOPLE


def test_what_only_an_administrator_may_is_everything_that_changes_something_or_holds_a_key():
    changing = {name for name, route in BY_NAME.items() if route.method != "GET"} - OPEN - OWN
    assert {name for name, route in BY_NAME.items() if route.access is Access.ADMIN} == changing | {
        "GET /v1/audit",
        "GET /v1/audit/verification",
        "GET /v1/tokens",
        "GET /v1/users",
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_without_a_session_there_is_only_what_is_for_everybody(shared, name):
    route = BY_NAME[name]
    reply = shared.api.browser.ask(route.method, target(route), {} if route.has_content else None)
    if name in OPEN:
        assert reply.status != 401 or reply.code == "people.login_refused"
    else:
        assert (reply.status, reply.code) == (401, "api.login_needed")
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - OWN - OPEN))
def test_who_may_only_look_gets_nothing_more(shared, name):
    route = BY_NAME[name]
    if route.follow is not None:
        reply = shared.viewer.ask("HEAD", target(route))
        assert reply.status == 404
        return
    reply = shared.viewer.ask(route.method, target(route), {} if route.has_content else None)
    if name in LOOKING:
        assert reply.status in {200, 404}
    else:
        assert (reply.status, reply.code) == (403, "people.not_allowed")


def test_root_on_the_machine_itself_needs_no_session_and_is_written_down_by_name(shared):
    reply = shared.api.root.get("/v1/session")
    assert reply.json == {
        "user": "root (uid 0)",
        "role": "admin",
        "must_change": False,
        "idle_at": None,
        "ends_at": None,
        "password_until": None,
    }
    assert shared.api.root.post("/v1/tokens", {"name": "by-root"}).status == 201
    assert shared.audit()[0] == ("root (uid 0)", "token made", "by-root", "local")


def test_a_web_interface_that_runs_as_root_is_not_taken_for_root(shared):
    assert shared.api.browser.get("/v1/status").code == "api.login_needed"
    reply = shared.api.root.get("/v1/status", **{"Chainwright-Client": ""})
    assert reply.code == "api.malformed"


def ask_as(uid: int, box_layout, *words: str) -> dict:
    """Ask in a process of another user.

    The interpreter may stand where that user can't read it: the process has asked once before, so that all is imported.
    """
    script = (
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "from support.clients.api import Client\n"
        "path, uid, method, target, headers = sys.argv[1:]\n"
        "Client(Path(path), {}).ask('GET', '/v1/openapi.json')\n"
        "os.setgroups([]); os.setresgid(*[int(uid)] * 3); os.setresuid(*[int(uid)] * 3)\n"
        "reply = Client(Path(path), json.loads(headers)).ask(method, target)\n"
        "print(json.dumps({'status': reply.status, 'json': json.loads(reply.content or 'null')}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(box_layout.api), str(uid), *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        timeout=60,
    )
    return json.loads(done.stdout)


def open_to_all(layout) -> None:
    """Let every user reach the socket, as a mistake of the administrator's could."""
    for path in (layout.root, *layout.root.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o001)
    for path in (layout.run, layout.run.parent):
        path.chmod(0o755)
    layout.api.chmod(0o666)


@pytest.mark.root
@pytest.mark.parametrize("words", [("GET", "/v1/status"), ("GET", "/v1/openapi.json"), ("PUT", "/v1/x")])
def test_other_users_get_nothing_even_where_they_can_reach_the_socket(shared, words):
    open_to_all(shared.appliance.layout)
    reply = ask_as(NOBODY, shared.appliance.layout, *words, "{}")
    assert (reply["status"], reply["json"]["code"]) == (403, "api.peer_refused")
    forged = ask_as(NOBODY, shared.appliance.layout, *words, json.dumps(shared.admin.headers))
    assert (forged["status"], forged["json"]["code"]) == (403, "api.peer_refused")


@pytest.mark.root
def test_the_web_interface_s_user_is_let_in_and_believed_whose_request_it_passes_on(appliance):
    make_tunnel(appliance)
    make_people(appliance)
    with ApiProcess(appliance.layout, web=(NOBODY,)) as api:
        open_to_all(appliance.layout)
        assert ask_as(NOBODY, appliance.layout, "GET", "/v1/status", "{}")["json"]["code"] == "api.login_needed"
        session = api.log_in("ann", ANN)
        headers = {**session.headers, "Chainwright-Client": "2001:db8::7"}
        assert ask_as(NOBODY, appliance.layout, "DELETE", "/v1/session", json.dumps(headers))["status"] == 204
        with appliance.store() as store:
            found = [(row.action, row.address) for row in Accounts(store).audits()]
        # Root is not the web interface here: what it says of a browser is not believed.
        assert found == [("logged out", "2001:db8::7"), ("logged in", "local")]


def test_an_address_is_written_down_in_one_form(shared):
    for text, kept in (("::ffff:192.0.2.7", "192.0.2.7"), ("FE80:0::1%eth0", "fe80::1")):
        headers = {**shared.api.log_in("vic", VIC).headers, "Chainwright-Client": text}
        assert shared.api.root.delete("/v1/session", **headers).status == 204
        assert shared.audit()[0] == ("vic", "logged out", "vic", kept)


def test_an_address_that_is_none_is_refused_and_nothing_can_be_smuggled_in_with_it(shared):
    for text in ("gw.example.test", "192.0.2.7, 192.0.2.8", "192.0.2.7\tX: y", "::g", "a" * 4000):
        reply = shared.api.root.get("/v1/session", **{"Chainwright-Client": text})
        assert (reply.status, reply.code) == (400, "api.malformed"), text
        assert text not in reply.content.decode()


# Sessions and passwords


def test_a_session_says_who_it_is_until_it_is_closed(shared):
    session = shared.api.log_in("vic", VIC)
    who = session.get("/v1/session").json
    assert (who["user"], who["role"], who["must_change"]) == ("vic", "viewer", False)
    idle, end = (datetime.fromisoformat(who[each]) for each in ("idle_at", "ends_at"))
    assert timedelta(minutes=29) < idle - datetime.now(UTC) <= timedelta(minutes=30)
    assert end - idle > timedelta(hours=11)
    assert session.delete("/v1/session").status == 204
    assert session.get("/v1/session").code == "people.session_ended"
    assert shared.audit()[0] == ("vic", "logged out", "vic", "192.0.2.7")


def test_a_session_ends_when_it_is_idle(box):
    assert box.admin.get("/v1/status").status == 200
    box.api.advance(minutes=31)
    reply = box.admin.get("/v1/status")
    assert (reply.status, reply.code) == (401, "people.session_ended")


@pytest.mark.parametrize("shown", ["Bearer cws_nonsense", "Bearer cwt_nonsense", "Bearer x", "Basic YTpi", "Bearer"])
def test_what_is_no_session_and_no_token_is_refused(shared, shown):
    reply = shared.api.root.get("/v1/status", Authorization=shown)
    assert reply.status == 401
    assert reply.code in {"people.session_ended", "people.token_refused"}


def test_a_wrong_password_and_an_unknown_user_are_told_the_same(shared):
    answers = [
        shared.api.browser.post("/v1/session", {"user": user, "password": "not the password"}, Host="x")
        for user in ("ann", "nobody-here")
    ]
    assert [(reply.status, reply.code) for reply in answers] == [(401, "people.login_refused")] * 2
    assert answers[0].content == answers[1].content


def test_password_checks_wait_for_each_other_and_only_so_many(box):
    """Each takes 64 MiB."""
    before = box.api.memory("VmHWM")

    def wrong(number: int) -> str:
        client = box.api.root.bearing("", f"198.51.100.{number}")
        del client.headers["Authorization"]
        return client.post("/v1/session", {"user": "nobody", "password": "not the password"}).code

    with ThreadPoolExecutor(40) as pool:
        codes = list(pool.map(wrong, range(40)))
    assert set(codes) <= {"people.login_refused", "people.too_many_tries", "api.busy"}
    assert codes.count("api.busy") >= 10
    assert box.api.memory("VmHWM") - before < (64 + 48) * 1024


def test_the_one_time_password_opens_nothing_but_its_own_change(appliance):
    make_tunnel(appliance)
    with appliance.store() as store:
        first = Accounts(store, CHEAP).one_time_password("admin", datetime.now(UTC))
    with ApiProcess(appliance.layout, web=(0,)) as api:
        session = api.log_in("admin", first)
        assert session.get("/v1/session").json["must_change"] is True
        for name, route in BY_NAME.items():
            if name not in OPEN | OWN:
                reply = session.ask(route.method, target(route), {} if route.has_content else None)
                assert (reply.status, reply.code) == (403, "people.password_change_needed"), name
        assert session.post("/v1/password", {"old": "not it", "new": ANN}).code == "people.login_refused"
        assert session.post("/v1/password", {"old": first, "new": "short"}).code == "people.password_refused"
        reply = session.post("/v1/password", {"old": first, "new": ANN})
        assert (reply.status, reply.json["must_change"]) == (200, False)
        assert session.get("/v1/session").code == "people.session_ended"
        assert api.root.bearing(reply.json["token"]).get("/v1/status").status == 200
        assert api.browser.post("/v1/session", {"user": "admin", "password": first}).code == "people.login_refused"


def test_a_changed_password_ends_every_other_session(box):
    other = box.api.log_in("ann", ANN)
    assert box.admin.post("/v1/password", {"old": ANN, "new": VIC}).status == 200
    assert other.get("/v1/session").code == "people.session_ended"
    assert box.audit()[0] == ("ann", "password set", "ann", "192.0.2.7")


def test_what_is_no_session_can_not_be_closed_and_leaves_no_row(shared):
    token = shared.admin.post("/v1/tokens", {"name": "looks", "role": "viewer"}).json["token"]
    before = shared.audit()
    for client in (shared.api.root, shared.api.root.bearing(token)):
        reply = client.delete("/v1/session")
        assert (reply.status, reply.code) == (403, "api.no_session")
    assert shared.audit() == before
    assert shared.api.root.bearing(token).get("/v1/status").status == 200


def test_the_api_says_whether_the_record_is_whole(box):
    assert box.admin.get("/v1/audit/verification").json["whole"] is True
    with box.appliance.store() as store, store.write():
        store.database.execute("update audits set who = 'bob' where series = 'login' and number = 1")
    found = box.admin.get("/v1/audit/verification").json
    assert (found["whole"], len(found["faults"])) == (False, 1)
    assert found["faults"][0].endswith("bob: logged in ann) was changed")


def test_who_has_made_very_many_changes_today_makes_no_more_for_now(box):
    with box.appliance.store() as store, store.write():
        store.database.executemany(
            "insert into audits (at, who, series) values (?, 'ann', 'change')",
            [[datetime.now(UTC).isoformat()]] * CHANGES_A_DAY,
        )
    reply = box.admin.post("/v1/tokens", {"name": "one-more"})
    assert (reply.status, reply.code) == (429, "people.too_many_changes")
    assert 86_000 < int(reply.headers["retry-after"]) <= 86_400
    assert box.admin.get("/v1/tokens").json["tokens"] == []
    assert box.api.root.post("/v1/tokens", {"name": "by-root"}).status == 201


def test_who_has_no_password_can_change_none(shared):
    token = shared.admin.post("/v1/tokens", {"name": "prog", "role": "admin"}).json["token"]
    for client in (shared.api.root, shared.api.root.bearing(token)):
        reply = client.post("/v1/password", {"old": ANN, "new": VIC})
        assert (reply.status, reply.code) == (403, "api.no_own_password")


# Tokens


def test_a_token_is_shown_once_and_is_good_until_it_is_revoked(shared):
    made = shared.admin.post("/v1/tokens", {"name": "monitoring"})
    assert (made.status, set(made.json)) == (201, {"id", "token", "expires_at"})
    program = shared.api.root.bearing(made.json["token"])
    assert program.get("/v1/session").json["user"] == "token monitoring"
    assert program.get("/v1/status").status == 200
    assert program.get("/v1/tokens").code == "people.not_allowed"
    listed = shared.admin.get("/v1/tokens")
    assert made.json["token"] not in listed.content.decode()
    (row,) = [each for each in listed.json["tokens"] if each["id"] == made.json["id"]]
    assert (row["name"], row["role"], row["made_by"]) == ("monitoring", "viewer", "ann")
    assert row["used_at"] is not None
    assert shared.admin.delete(f"/v1/tokens/{made.json['id']}").status == 204
    assert program.get("/v1/status").code == "people.token_refused"
    assert shared.admin.delete(f"/v1/tokens/{made.json['id']}").code == "people.token_unknown"
    assert [row[:3] for row in shared.audit()[:2]] == [
        ("ann", "token revoked", made.json["id"]),
        ("ann", "token made", "monitoring"),
    ]


@pytest.fixture(scope="module")
def program(shared):
    """A token of an administrator's with all that it can have."""
    return shared.api.root.bearing(shared.admin.post("/v1/tokens", {"name": "program", "role": "admin"}).json["token"])


@pytest.mark.parametrize("name", sorted(FOR_PEOPLE))
def test_a_token_gives_no_rights_and_no_keys_away(shared, program, name):
    route = BY_NAME[name]
    reply = program.ask(route.method, target(route), {} if route.has_content else None)
    assert (reply.status, reply.code) == (403, "people.not_by_token")


@pytest.mark.parametrize("name", sorted(WEIGHTY))
def test_what_weighs_most_wants_the_password_that_was_given_within_five_minutes(late, name):
    route = BY_NAME[name]
    reply = late.admin.ask(route.method, target(route), {} if route.has_content else None)
    assert (reply.status, reply.code) == (403, "people.password_needed")
    assert late.api.root.ask(route.method, target(route), {} if route.has_content else None).status != 403


def test_a_password_that_is_given_again_counts_for_five_minutes(box):
    box.api.advance(minutes=5)
    assert box.admin.post("/v1/tokens", {"name": "one"}).code == "people.password_needed"
    assert box.admin.post("/v1/session/password", {"password": "not it"}).code == "people.password_wrong"
    assert box.admin.post("/v1/tokens", {"name": "one"}).code == "people.password_needed"
    given = box.admin.post("/v1/session/password", {"password": ANN})
    left = datetime.fromisoformat(given.json["password_until"]) - datetime.fromisoformat(given.json["idle_at"])
    assert given.status == 200
    assert abs(left + timedelta(minutes=25)) < timedelta(minutes=1)  # how exact the idle time is
    assert box.admin.post("/v1/tokens", {"name": "one"}).status == 201
    box.api.advance(minutes=5)
    assert box.admin.post("/v1/tokens", {"name": "two"}).code == "people.password_needed"
    box.api.advance(minutes=-9)  # a clock that was set back makes nothing fresh
    assert box.admin.post("/v1/tokens", {"name": "two"}).code == "people.password_needed"


def test_a_token_is_not_taken_from_a_browser_and_a_session_only_where_it_was_opened(shared):
    made = shared.admin.post("/v1/tokens", {"name": "cookie"}).json["token"]
    assert shared.api.root.bearing(made).get("/v1/status").status == 200
    reply = shared.api.root.bearing(made).get("/v1/status", **{"Chainwright-Client": "192.0.2.7"})
    assert (reply.status, reply.code) == (401, "people.token_refused")


def test_a_token_has_a_name_of_its_own_until_it_ends(box):
    made = box.admin.post("/v1/tokens", {"name": "backup", "days": 1}).json
    again = box.admin.post("/v1/tokens", {"name": "backup"})
    assert (again.status, again.code) == (422, "people.token_not_made")
    assert again.json["title"] == 'The token "backup" can\'t be made: ann has made one of this name.'
    assert again.json["fix"] == f"Choose another name, or revoke it: chainwright webui token revoke {made['id']}"
    box.api.advance(days=1)
    admin = box.api.log_in("ann", ANN)
    assert admin.post("/v1/tokens", {"name": "backup"}).status == 201
    assert [each["name"] for each in admin.get("/v1/tokens").json["tokens"]] == ["backup"]


def test_a_token_ends_with_the_password_of_who_made_it_and_that_is_asked(box):
    made = [box.admin.post("/v1/tokens", {"name": name}).json["token"] for name in ("backup", "graphs")]
    kept = box.api.root.post("/v1/tokens", {"name": "of-root"}).json["token"]
    assert box.admin.get("/v1/password/effects").json == {"tokens": ["backup", "graphs"]}
    change = {"old": ANN, "new": VIC}
    reply = box.admin.post("/v1/password", change)
    assert (reply.status, reply.code) == (422, "api.not_confirmed")
    assert reply.json["effects"] == ["The token backup ends.", "The token graphs ends."]
    assert box.api.root.bearing(made[0]).get("/v1/status").status == 200
    assert box.admin.post("/v1/password", change | {"confirmed": True}).status == 200
    codes = {box.api.root.bearing(each).get("/v1/status").code for each in made}
    assert codes == {"people.token_refused"}
    assert box.api.root.bearing(kept).get("/v1/status").status == 200


def test_a_token_may_no_more_than_who_made_it_at_that_moment(box):
    text = box.admin.post("/v1/tokens", {"name": "backup", "role": "admin"}).json["token"]
    program = box.api.root.bearing(text)
    assert program.get("/v1/audit").status == 200
    with box.appliance.store() as store, store.write():
        store.database.execute("update people set role = 'viewer' where name = 'ann'")
    assert program.get("/v1/audit").code == "people.not_allowed"
    assert program.get("/v1/status").status == 200
    with box.appliance.store() as store, store.write():
        store.database.execute("delete from people where name = 'ann'")
    assert program.get("/v1/status").code == "people.token_refused"


def test_users_are_listed_without_anything_that_opens_a_door(shared):
    users = shared.admin.get("/v1/users").json["users"]
    assert {each["name"]: each["role"] for each in users}["ann"] == "admin"
    assert {frozenset(each) for each in users} == {frozenset({"name", "role", "must_change"})}


def test_a_token_expires(box):
    made = box.admin.post("/v1/tokens", {"name": "short", "role": "admin", "days": 1}).json
    program = box.api.root.bearing(made["token"])
    assert program.get("/v1/audit").status == 200
    box.api.advance(days=1, seconds=1)
    assert program.get("/v1/audit").code == "people.token_refused"


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"name": "Not A Name"}, "people.token_not_made"),
        ({"name": "x", "days": 0}, "api.malformed"),
        ({"name": "x", "days": 367}, "api.malformed"),
        ({"name": "x", "role": "owner"}, "api.malformed"),
        ({"name": "x", "days": "7"}, "api.malformed"),
        ({"name": "x", "more": 1}, "api.malformed"),
        ({}, "api.malformed"),
        ([], "api.malformed"),
        (b"{", "api.malformed"),
        (b"\xff", "api.malformed"),
    ],
)
def test_a_token_that_can_t_be_is_refused(shared, wish, code):
    assert shared.admin.post("/v1/tokens", wish if wish != {} else b"{}").code == code


def test_a_user_who_is_removed_is_out_at_once(box):
    with box.appliance.store() as store:
        Accounts(store).remove("vic")
    assert box.viewer.get("/v1/status").code == "people.session_ended"


def test_a_role_counts_from_the_store_at_each_request(box):
    with box.appliance.store() as store, store.write():
        store.database.execute("update people set role = ? where name = 'ann'", [str(Role.VIEWER)])
    assert box.admin.get("/v1/audit").code == "people.not_allowed"
