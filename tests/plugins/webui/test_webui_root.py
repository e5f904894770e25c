"""The root's page without scripts: what it has signed for others, its list, and what a change breaks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.api.peers import PeerPage
from agent.api.root_steps import PreparedRoot
from agent.errors import Problem
from agent.errors.problem import rfc3339
from agent.health.problems import window
from agent.health.roots import root_prepared, root_replaced
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.peer import PeerState
from agent.model.root import RootPhase, RootRecord
from agent.operations.effects import (
    ChangeEffects,
    ModuleConsequence,
    RetirementEffects,
    RevocationEffects,
    RootEffects,
    Switch,
    UninspectedModule,
)
from agent.pki.key import KeyType
from agent.report.peers import ListRow, PeerRow
from agent.report.rows import plain
from support.fakes.api import CHAIN, NOW, ROOT, WHO, Browser, FakeApi, chain, problem, status

SERIAL = "5d0c66a13e"
PEER = PeerRow(
    serial=SERIAL,
    sha256="cd" * 32,
    module="ikev2",
    label="branch-1",
    names=("branch1.example.com",),
    purposes=("client", "server"),
    root="ab" * 32,
    not_before=NOW,
    not_after=NOW + timedelta(days=397),
    state=PeerState.GOOD,
    renew_at=NOW + timedelta(days=264),
    replaced_at=None,
    revoked_at=None,
    reason=None,
    problem=None,
)
LIST = ListRow("ab" * 32, 7, NOW, NOW + timedelta(days=30), 2)
STOPS = ModuleConsequence("ikev2", "The tunnel to <north> stops.", "outage")
UNSEEN = UninspectedModule("sstp", "no answer within 10 s")
TAKEN = RevocationEffects((STOPS,), (), (), SERIAL, PEER.names, "ikev2/branch-1", ())


def says(agent: FakeApi) -> None:
    """Answer the root's page, and what else is named by its address."""
    agent.says("GET /v1/root", {"root": plain(ROOT), "earlier": []})
    agent.says("GET /v1/root/peers", plain(PeerPage((PEER,), LIST)))
    agent.says(f"GET /v1/root/signed/{SERIAL}/effects", plain(TAKEN))


def test_the_root_s_page_lists_what_it_has_signed_for_others_and_its_list(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    page = browser.get("/root")
    for words in ("branch-1", "ikev2", "branch1.example.com", "client, server", "good", "2 entries", "List 7"):
        assert words in page.words
    for link in (f"/root/signed/{SERIAL}", f"/root/signed/{SERIAL}/revoke", "/root/crl", "/root/crl?format=der"):
        assert f'href="{link}"' in page.text


def test_who_may_only_look_is_not_offered_to_revoke(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    agent.says("GET /v1/session", {**WHO, "role": "viewer", "idle_at": rfc3339(NOW + timedelta(minutes=30))})
    page = browser.get("/root")
    assert f"/root/signed/{SERIAL}" in page.text
    assert "/revoke" not in page.text
    assert browser.get(f"/root/signed/{SERIAL}/revoke").status == 403


def test_what_was_revoked_says_why(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    gone = {**plain(PEER), "state": "revoked", "reason": "keyCompromise"}
    agent.says("GET /v1/root/peers", {"peers": [gone], "crl": None})
    page = browser.get("/root")
    assert "its key may be in wrong hands" in page.words
    assert "/revoke" not in page.text


def test_revoking_names_what_stops_first_and_is_then_a_job(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    page = browser.get(f"/root/signed/{SERIAL}/revoke")
    assert "The tunnel to <north> stops." in page.words
    assert "<north>" not in page.text
    agent.says("POST /v1/root/revoke", {"job": "0a" * 8}, 202)
    fields = {"form_token": page.token, "reason": "superseded"}
    answer = browser.post(f"/root/signed/{SERIAL}/revoke", fields, follow=False)
    assert answer.headers["location"] == f"/jobs/{'0a' * 8}"
    ((_, body),) = agent.calls("POST /v1/root/revoke")
    assert json.loads(body) == {"serial": SERIAL, "reason": "superseded", "confirmed": True}


def test_what_is_revoked_already_is_said_on_the_same_page(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    page = browser.get(f"/root/signed/{SERIAL}/revoke")
    refused = {**Problem("root.revoked_before", "", fix="Look.").to_json(), "title": "It was revoked."}
    agent.says("POST /v1/root/revoke", refused, 409)
    fields = {"form_token": page.token, "reason": "superseded"}
    answer = browser.post(f"/root/signed/{SERIAL}/revoke", fields)
    assert (answer.status, "It was revoked." in answer.words) == (409, True)


@pytest.mark.parametrize("address", [f"/root/signed/{SERIAL}", "/root/crl", "/root/crl?format=der"])
def test_files_are_passed_on(agent: FakeApi, browser: Browser, address: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-crl\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    agent.says(f"GET /v1/root/peers/{SERIAL}/download", head + b"file")
    agent.says("GET /v1/root/crl?format=pem", head + b"file")
    agent.says("GET /v1/root/crl?format=der", head + b"file")
    answer = browser.get(address)
    assert (answer.headers["content-type"], answer.text) == ("application/pkix-crl", "file")


def test_a_new_root_names_what_stops_what_is_signed_and_what_could_not_be_seen(
    agent: FakeApi, browser: Browser
) -> None:
    says(agent)
    found = RootEffects((STOPS,), ("mail",), (UNSEEN,), ("webui/address",), ("ikev2/branch-1",))
    agent.says("GET /v1/root/effects", plain(found))
    page = browser.get("/root/reissue")
    for words in (
        "The tunnel to <north> stops.",
        "1 peer certificate is signed again",
        "ikev2/branch-1",
        "could not say what they would lose: mail",
        "What runs in sstp could not be seen: no answer within 10 s.",
    ):
        assert words in page.words


def test_cross_certificates_are_offered_where_there_are_any(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    link = 'href="/root/download?format=cross"'
    assert link not in browser.get("/root").text
    other = {**plain(ROOT), "phase": "prepared", "signs_at": rfc3339(NOW + timedelta(days=90))}
    agent.says("GET /v1/root", {"root": plain(ROOT), "earlier": [], "others": [other], "crosses": True})
    assert link in browser.get("/root").text


def test_of_two_roots_each_is_reissued_by_a_button_of_its_own(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    other = {**plain(ROOT), "subject": "gw Root CA RSA", "sha256": "be" * 32, "key_type": "rsa-2048", "beside": True}
    assert f"Reissue root {ROOT.subject}" not in browser.get("/root").words
    agent.says("GET /v1/root", {"root": plain(ROOT), "earlier": [], "others": [{**other, "phase": "signing"}]})
    agent.says(f"GET /v1/root/effects?of={'be' * 32}", plain(RootEffects((), (), (), ("old/office",), ())))
    agent.says("POST /v1/root/reissue", problem("api.not_typed", "Nothing was typed."), 422)
    page = browser.get("/root")
    assert f"Reissue root {ROOT.subject}" in page.words
    assert "Reissue root gw Root CA RSA" in page.words
    assert f'href="/root/reissue?of={"be" * 32}"' in page.text
    asked = browser.get(f"/root/reissue?of={'be' * 32}")
    assert "Present root: gw Root CA RSA" in asked.words
    assert "old/office" in asked.words
    again = browser.post("/root/reissue", {"form_token": asked.token, "typed": "no", "of": "be" * 32})
    assert "Present root: gw Root CA RSA" in again.words
    (call,) = agent.calls("POST /v1/root/reissue")
    assert json.loads(call[1]) == {"typed": "no", "now": False, "of": "be" * 32}
    assert 'name="of" value="' + "be" * 32 in again.text


def test_a_new_root_that_a_cross_certificate_leads_to_stops_nothing_but_at_once(
    agent: FakeApi, browser: Browser
) -> None:
    says(agent)
    bridged = RootEffects((), (), (), (), (), signs_at=NOW + timedelta(days=90), bridged=True, at_once=(STOPS,))
    agent.says("GET /v1/root/effects", plain(bridged))
    words = browser.get("/root/reissue").words
    assert "Who knows only the present one takes what it signs, by a cross-certificate" in words
    assert "IPsec connections" not in words
    before, at_once, after = words.partition(
        "Sign with it at once: everyone who installed the present root sees warnings"
    )
    assert at_once
    assert "The tunnel to <north> stops." not in before
    assert "The tunnel to <north> stops." in after


def test_a_new_root_that_none_leads_to_says_why(agent: FakeApi, browser: Browser) -> None:
    says(agent)
    found = RootEffects((STOPS,), (), (), (), (), signs_at=NOW + timedelta(days=90), obstacle="both have the same name")
    agent.says("GET /v1/root/effects", plain(found))
    words = browser.get("/root/reissue").words
    assert "No cross-certificate helps those who know only the present root: both have the same name." in words
    assert "IPsec connections between head office and branches" in words
    assert "should install the new one until then." in words


NEXT = RootRecord("ef" * 32, "Next CA", NOW, NOW + timedelta(days=3650), "", NOW, prepared=True)
BEFORE = RootRecord("ef" * 32, "Old CA", NOW, NOW + timedelta(days=3650), "", NOW, replaced_at=NOW)
STEPS = {
    "begin": (root_prepared(NEXT, NOW), "BEGIN"),
    "retire": (root_replaced(BEFORE, ["ikev2/branch-1"]), "RETIRE"),
}


def asks_for(agent: FakeApi, step: str) -> None:
    """Have a finding about a root, and what the agent says of its step."""
    said, _ = STEPS[step]
    finding = Finding(SubjectKind.ROOT, NEXT.sha256, Severity.NOTICE, said, NOW, NEXT.subject)
    agent.says("GET /v1/status", status(chain(), findings=(finding,)))
    effects = RootEffects((), (), (), ("webui/address",), (), bridged=True)
    agent.says("GET /v1/root/begin", plain(PreparedRoot("Next CA", NEXT.sha256, NOW + timedelta(days=90), effects)))
    kept = RetirementEffects((STOPS,), (), (), "Old CA", BEFORE.sha256, BEFORE.not_after, ("ikev2/branch-1",), ())
    agent.says("GET /v1/root/retire", plain(kept))
    for each in STEPS:
        agent.says(f"POST /v1/root/{each}", {"job": "0a" * 8}, 202)


@pytest.mark.parametrize("step", STEPS)
def test_the_finding_leads_an_administrator_to_a_root_s_step(agent: FakeApi, browser: Browser, step: str) -> None:
    asks_for(agent, step)
    assert f'href="/root/{step}?of={NEXT.sha256}"' in browser.get("/certificates").text
    page = browser.get(f"/root/{step}")
    words = "Who knows only the present one takes what it signs" if step == "begin" else "The tunnel to <north> stops."
    assert words in page.words
    fields = {"form_token": page.token, "day": "2027-03-01"}
    answer = browser.post(f"/root/{step}", fields, follow=False)
    assert answer.headers["location"] == f"/jobs/{'0a' * 8}"
    browser.post(f"/root/{step}", {"form_token": page.token, "typed": STEPS[step][1]}, follow=False)
    bodies = [json.loads(body) for _, body in agent.calls(f"POST /v1/root/{step}")]
    assert bodies == [{"at": "2027-03-01T00:00:00Z"}, {"typed": STEPS[step][1]}]


@pytest.mark.parametrize("step", STEPS)
def test_who_may_only_look_is_offered_no_step(agent: FakeApi, browser: Browser, step: str) -> None:
    asks_for(agent, step)
    agent.says("GET /v1/session", {**WHO, "role": "viewer", "idle_at": rfc3339(NOW + timedelta(minutes=30))})
    assert f'href="/root/{step}' not in browser.get("/certificates").text
    assert browser.get(f"/root/{step}").status == 403


@pytest.mark.parametrize("code", ["api.not_typed", "root.step_too_late", "people.password_needed"])
def test_a_step_that_is_refused_is_asked_for_again(agent: FakeApi, browser: Browser, code: str) -> None:
    asks_for(agent, "begin")
    status_code = 403 if code.startswith("people") else 422
    agent.says("POST /v1/root/begin", problem(code, "The step can't be so late."), status_code)
    fields = {"form_token": browser.get("/root/begin").token, "typed": "begin"}
    again = browser.post("/root/begin", fields)
    assert again.status == status_code
    assert ("type BEGIN exactly" in again.words) is (code == "api.not_typed")
    assert ('type="password"' in again.text) is (code == "people.password_needed")
    assert 'value="begin"' in again.text
    ids = re.findall(r' id="([^"]+)"', again.text)
    assert len(ids) == len(set(ids))


def test_deleting_a_chain_names_what_drops(agent: FakeApi, browser: Browser) -> None:
    path = f"/v1/chains/{CHAIN.id}"
    use = {"module": "mail", "title": "Mail", "slot": "default"}
    agent.says(f"GET {path}", {"chain": plain(chain()), "used_by": [use]})
    agent.says(f"GET {path}/effects", plain(ChangeEffects((STOPS,), (), (UNSEEN,))))
    page = browser.get(f"/certificates/{CHAIN.id}/delete")
    assert "The tunnel to <north> stops." in page.words
    assert "What runs in sstp could not be seen" in page.words


def test_a_reissue_that_drops_something_is_asked_about_first(agent: FakeApi, browser: Browser) -> None:
    token = browser.get("/certificates").token
    agent.says("GET /v1/reissue/effects", plain(ChangeEffects((STOPS,), (), ())))
    asked = browser.post("/reissue", {"form_token": token, "name": "mail.example.com"})
    assert "The tunnel to <north> stops." in asked.words
    assert agent.calls("POST /v1/reissue") == []
    agent.says("POST /v1/reissue", {"job": "0a" * 8, "names": [], "kept": []}, 202)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text.partition("<main")[2]))
    answer = browser.post("/reissue", fields, follow=False)
    assert answer.headers["location"] == f"/jobs/{'0a' * 8}"


def test_revoking_a_local_chain_says_what_takes_over(agent: FakeApi, browser: Browser) -> None:
    switch = Switch("mail", "default", CHAIN.id, None, "a new local chain takes over")
    found = RevocationEffects((), (), (), "41a", CHAIN.names, "", (switch,))
    agent.says("GET /v1/root/signed/41a/effects", plain(found))
    page = browser.get("/root/signed/41a/revoke")
    assert "a new local chain takes over" in page.words
    assert "A new local certificate, with a new key, takes its place at once." in page.words


def test_a_module_that_waits_for_its_window_says_until_when(agent: FakeApi, browser: Browser) -> None:
    opens = NOW + timedelta(hours=3, minutes=5)
    found = (Finding(SubjectKind.MODULE, "mail", Severity.NOTICE, window("mail", opens)),)
    agent.says("GET /v1/status", status(chain(), findings=found))
    page = browser.get("/certificates")
    assert "Mail mail: mail takes what is new into service" in page.words
    assert f"{opens:%Y-%m-%d %H:%M} UTC" in page.words
    assert "in 3 hours" in page.words


def test_a_root_beside_the_main_one_is_shown_with_its_keys_and_a_download_of_its_own(
    agent: FakeApi, browser: Browser
) -> None:
    says(agent)
    beside = replace(ROOT, subject="gw Root CA RSA", sha256="cd" * 32, key_type=KeyType.RSA_2048, beside=True)
    following = replace(beside, subject="gw Root CA RSA 2036", sha256="ef" * 32, phase=RootPhase.PREPARED, signs_at=NOW)
    agent.says("GET /v1/root", {"root": plain(ROOT), "earlier": [], "others": [plain(beside), plain(following)]})
    page = browser.get("/root")
    assert "It signs for keys of its own kind (RSA) beside the one above." in page.words
    for each in (beside, following):
        assert f'href="/root/download?format=der&amp;of={each.sha256}"' in page.text
    assert f'href="/root/begin?of={following.sha256}"' in page.text


def test_a_step_is_asked_for_of_the_root_that_was_shown(agent: FakeApi, browser: Browser) -> None:
    asks_for(agent, "begin")
    page = browser.get(f"/root/begin?of={NEXT.sha256}")
    browser.post("/root/begin", {"form_token": page.token, "typed": "BEGIN", "of": NEXT.sha256}, follow=False)
    assert f'name="of" value="{NEXT.sha256}"' in page.text
    ((_, body),) = agent.calls("POST /v1/root/begin")
    assert json.loads(body) == {"typed": "BEGIN", "of": NEXT.sha256}
