"""Reissue, revocation, a pass at once, and the root: each change becomes a job, is written down, and is seen on the wire."""

from __future__ import annotations

import plistlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from agent.errors.problem import rfc3339
from agent.pki.authority import Root
from agent.store import Store
from agent.system.layout import Layout
from support.appliances.api import NAME, bought, pem_of
from support.cas import certificates as toy_ca
from support.processes.api import ApiProcess


def company_ca(name: str = "Company CA") -> tuple[Root, bytes]:
    now = datetime.now(UTC)
    root = Root.create(name, "", now, now - timedelta(days=1))
    return root, root.key_pem() + root.pem()


def test_a_reissue_brings_a_new_chain(box):
    before = box.chain()
    reply = box.admin.post("/v1/reissue", {"names": [NAME]})
    job = box.ends(reply)
    assert (reply.json["names"], reply.json["kept"], job["action"]) == ([NAME], [], "reissue")
    assert box.chain() != before
    assert box.wire() == box.chain()
    assert box.audit()[0] == ("ann", "reissue", NAME, "192.0.2.7")


def test_a_reissue_says_which_names_stay_with_an_upload(box):
    chain = bought()
    box.ends(box.admin.submit("/v1/uploads", ("a.pem", pem_of(chain))))
    reply = box.admin.post("/v1/reissue", {"names": [NAME], "force": True})
    assert reply.json["kept"] == [{"name": NAME, "chain": chain.id}]
    box.ends(reply)
    assert box.wire() == chain.id


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"names": ["x.example.test"]}, 422, "hand.nothing_to_reissue"),
        ({"names": ["not a name"]}, 422, "name.invalid"),
        ({"names": []}, 400, "api.malformed"),
        ({"names": NAME}, 400, "api.malformed"),
        ({"names": [NAME] * 101}, 400, "api.malformed"),
        ({"names": ["x" * 254]}, 400, "api.malformed"),
        ({"names": [NAME], "force": "yes"}, 400, "api.malformed"),
    ],
)
def test_a_reissue_of_nothing_is_refused(shared, wish, status, code):
    before = shared.audit()
    reply = shared.admin.post("/v1/reissue", wish)
    assert (reply.status, reply.code) == (status, code)
    assert shared.audit() == before


def test_a_pass_repairs_what_has_drifted(box):
    pem = box.appliance.layout.module("tunnel").live / "tunnel.pem"
    pem.unlink()
    box.ends(box.admin.post("/v1/apply", {"now": True, "retry": True}))
    assert pem.exists()
    assert box.audit()[0][1:3] == ("apply", "everything")


def test_a_pass_that_leaves_something_to_look_at_ends_degraded(box):
    box.appliance.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {box.appliance.port}\ndomain = "{NAME}"\n'
        '[modules.second]\nplugin = "tunnel"\nport = 9\ndomain = "s.example.test"\nsources = ["uploaded"]\n'
    )
    assert box.ends(box.admin.post("/v1/apply"), "degraded")["problem"] is None


def test_a_job_is_about_what_was_asked_for_and_says_what_else_is_not_well(box):
    box.appliance.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {box.appliance.port}\ndomain = "{NAME}"\n'
        '[modules.second]\nplugin = "tunnel"\nport = 9\ndomain = "s.example.test"\nsources = ["uploaded"]\n'
    )
    job = box.ends(box.admin.submit("/v1/uploads", ("a.pem", pem_of(bought()))))
    assert job["outcome"] == {
        "reached": ["tunnel/default"],
        "missed": [],
        "also": ["s.example.test: No chain yet: no uploaded chain covers s.example.test."],
    }
    assert box.ends(box.admin.post("/v1/apply"), "degraded")["outcome"] is None


def test_a_pass_that_can_not_be_made_says_why(box):
    box.appliance.settings("nonsense = 1\n")
    problem = box.ends(box.admin.post("/v1/apply"), "failed")["problem"]
    assert problem["code"] == "settings.refused"
    assert str(box.appliance.root) not in str(problem)


def test_a_revocation_is_confirmed_first_with_what_follows(shared):
    reply = shared.admin.post("/v1/revoke", {"chain": shared.chain()})
    assert (reply.status, reply.code) == (422, "api.not_confirmed")
    (effect,) = reply.json["effects"]
    assert effect.startswith("tunnel/default: ")
    assert shared.admin.post("/v1/revoke", {"chain": "0" * 64, "confirmed": True}).code == "usage.unknown_chain"
    assert shared.admin.post("/v1/revoke", {"chain": "0" * 64, "reason": "because"}).code == "api.malformed"


def test_a_revocation_that_its_source_can_not_do_fails_as_a_job(box):
    problem = box.ends(box.admin.post("/v1/revoke", {"chain": box.chain(), "confirmed": True}), "failed")["problem"]
    assert problem["code"].startswith("source")
    assert problem["fix"]
    assert box.audit()[0][1] == "revoke"


# The root


def test_the_root_is_for_everybody_in_three_forms(shared):
    pem = shared.api.browser.get("/v1/root/download")
    der = shared.api.browser.get("/v1/root/download?format=der")
    profile = shared.api.browser.get("/v1/root/download?format=mobileconfig")
    kinds = ["application/x-pem-file", "application/pkix-cert", "application/x-apple-aspen-config"]
    assert [each.headers["content-type"] for each in (pem, der, profile)] == kinds
    assert pem.headers["content-disposition"] == 'attachment; filename="gw-Root-CA.pem"'
    root = x509.load_pem_x509_certificate(pem.content)
    assert x509.load_der_x509_certificate(der.content) == root
    whole = plistlib.loads(profile.content)
    (payload,) = whole["PayloadContent"]
    assert (whole["PayloadType"], payload["PayloadType"]) == ("Configuration", "com.apple.security.root")
    assert payload["PayloadContent"] == root.public_bytes(Encoding.DER)
    assert payload["PayloadUUID"] != whole["PayloadUUID"]
    assert shared.api.browser.get("/v1/root/download?format=mobileconfig").content == profile.content
    found = shared.viewer.get("/v1/root").json
    assert found["root"]["sha256"] == root.fingerprint(SHA256()).hex()
    assert (found["root"]["certificates"][0]["subject"], found["earlier"]) == ("gw Root CA", [])


def test_cross_certificates_are_for_everybody_where_there_are_any(box):
    assert box.viewer.get("/v1/root/download?format=cross").code == "root.no_cross_certificate"
    assert box.viewer.get("/v1/root").json["crosses"] is False
    box.ends(box.admin.post("/v1/root/reissue", {"typed": "REISSUE"}))
    reply = box.api.browser.get("/v1/root/download?format=cross")
    assert reply.headers["content-disposition"] == 'attachment; filename="gw-Root-CA.cross.pem"'
    subjects = {(each.subject, each.issuer) for each in x509.load_pem_x509_certificates(reply.content)}
    assert subjects == {(issuer, subject) for subject, issuer in subjects}
    assert len(subjects) == 2
    roots = x509.load_pem_x509_certificates(box.api.browser.get("/v1/root/download").content)
    assert [each.subject == each.issuer for each in roots] == [True, True]
    assert box.viewer.get("/v1/root").json["crosses"] is True


def test_a_root_s_steps_are_moved_confirmed_and_made(box):
    assert [box.viewer.get(f"/v1/root/{step}").code for step in ("begin", "retire")] == [
        "root.none_prepared",
        "root.none_replaced",
    ]
    made = box.admin.post("/v1/root/reissue", {"typed": "REISSUE"})
    box.ends(made)
    found = box.viewer.get("/v1/root/begin").json
    assert (found["sha256"], found["effects"]["bridged"]) == (made.json["sha256"], True)
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    reply = box.admin.post("/v1/root/begin", {"at": rfc3339(later)})
    box.ends(reply)
    assert reply.json["at"] == rfc3339(later)
    assert box.viewer.get("/v1/root/begin").json["signs_at"] == rfc3339(later)
    for late in ("2199-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"):
        assert box.admin.post("/v1/root/begin", {"at": late}).code == "root.step_too_late"
    assert box.admin.post("/v1/root/begin", {"at": "2199-01-01T00:00:00"}).code == "api.malformed"
    assert box.viewer.post("/v1/root/begin", {"typed": "BEGIN"}).code == "people.not_allowed"
    for body in ({}, {"typed": "begin"}, {"at": "2026-01-01T00:00:00Z"}):
        assert box.admin.post("/v1/root/begin", body).code == "api.not_typed"
    box.ends(box.admin.post("/v1/root/begin", {"typed": "BEGIN"}))
    page = box.viewer.get("/v1/root").json
    assert page["root"]["sha256"] == made.json["sha256"]
    (replaced,) = page["others"]
    assert box.viewer.get("/v1/root/retire").json["sha256"] == replaced["sha256"]
    assert box.admin.post("/v1/root/retire", {"typed": "BEGIN"}).code == "api.not_typed"
    box.ends(box.admin.post("/v1/root/retire", {"typed": "RETIRE"}))
    assert [each["sha256"] for each in box.viewer.get("/v1/root").json["earlier"]] == [replaced["sha256"]]
    assert [row[1] for row in box.audit()[:3]] == ["root retires", "root begins to sign", "root begins to sign"]


@pytest.mark.parametrize("asked", ["download", "effects", "begin", "retire"])
def test_a_root_that_is_not_there_is_not_called_missing(shared, asked):
    reply = shared.viewer.get(f"/v1/root/{asked}?of={'0' * 64}")
    assert (reply.status, reply.code) == (404, "root.unknown")
    if asked == "download":
        known = shared.viewer.get("/v1/root").json["root"]["sha256"]
        assert shared.viewer.get(f"/v1/root/download?of={known.upper()}").status == 200


def test_what_another_root_breaks_is_said_by_name_before(shared):
    found = shared.viewer.get("/v1/root/effects").json
    assert datetime.fromisoformat(found["signs_at"]) > datetime.now(UTC) + timedelta(days=80)
    assert shared.viewer.get("/v1/root/effects?now=true").json == {
        "resigned": ["tunnel/default"],
        "consequences": [],
        "unknown": [],
        "uninspected": [],
        "peers": [],
        "signs_at": None,
        "dropped": "",
        "bridged": False,
        "obstacle": "",
        "at_once": [],
    }


@pytest.mark.parametrize("typed", ["", "reissue", "REISSUE ", "REPLACE"])
def test_a_root_is_not_made_anew_without_the_word(shared, typed):
    before = shared.viewer.get("/v1/root").json
    reply = shared.admin.post("/v1/root/reissue", {"typed": typed})
    assert (reply.status, reply.code) == (422, "api.not_typed")
    assert shared.admin.submit("/v1/root", ("ca.pem", company_ca()[1]), typed="REISSUE").code == "api.not_typed"
    assert shared.viewer.get("/v1/root").json == before


def test_a_new_root_signs_what_is_served(box):
    before = box.viewer.get("/v1/root").json["root"]
    reply = box.admin.post("/v1/root/reissue", {"typed": "REISSUE", "now": True})
    box.ends(reply)
    found = box.viewer.get("/v1/root").json
    assert reply.json["sha256"] == found["root"]["sha256"] != before["sha256"]
    assert [each["sha256"] for each in found["earlier"]] == [before["sha256"]]
    assert found["root"]["signs"] == 1
    assert box.wire() == box.chain()
    details = box.viewer.get(f"/v1/chains/{box.chain()}").json
    assert details["certificates"][-1]["sha256"] == found["root"]["sha256"]
    assert box.audit()[0][1:3] == ("root reissued", found["root"]["subject"])


def test_a_root_is_prepared_and_both_are_given_out(box):
    before = box.viewer.get("/v1/root").json["root"]
    reply = box.admin.post("/v1/root/reissue", {"typed": "REISSUE"})
    box.ends(reply)
    found = box.viewer.get("/v1/root").json
    assert (found["root"]["sha256"], found["root"]["phase"], found["earlier"]) == (before["sha256"], "signing", [])
    (prepared,) = found["others"]
    assert (prepared["sha256"], prepared["phase"]) == (reply.json["sha256"], "prepared")
    assert prepared["signs_at"] == reply.json["signs_at"]
    pem = box.api.browser.get("/v1/root/download").content
    fingerprints = [each.fingerprint(SHA256()).hex() for each in x509.load_pem_x509_certificates(pem)]
    assert fingerprints == [before["sha256"], prepared["sha256"]]
    profile = plistlib.loads(box.api.browser.get("/v1/root/download?format=mobileconfig").content)
    roots = [x509.load_der_x509_certificate(each["PayloadContent"]) for each in profile["PayloadContent"]]
    assert [each.fingerprint(SHA256()).hex() for each in roots] == fingerprints
    assert len({each["PayloadUUID"] for each in profile["PayloadContent"]}) == 2


def test_a_company_s_root_takes_over(box):
    root, pem = company_ca()
    preview = box.admin.submit("/v1/root/preview", ("ca.pem", pem)).json
    assert (preview["subject"], preview["sha256"]) == ("Company CA", root.sha256)
    assert preview["effects"]["resigned"] == ["tunnel/default"]
    assert box.viewer.get("/v1/root").json["root"]["sha256"] != root.sha256
    reply = box.admin.submit("/v1/root", ("ca.pem", pem), typed="REPLACE", now="true")
    box.ends(reply)
    assert (reply.json["subject"], reply.json["sha256"]) == ("Company CA", root.sha256)
    assert box.wire() == box.chain()
    assert box.viewer.get(f"/v1/chains/{box.chain()}").json["certificates"][-1]["sha256"] == root.sha256
    again = box.admin.submit("/v1/root", ("ca.pem", pem), typed="REPLACE")
    assert (again.status, again.code) == (409, "hand.root_already_present")
    assert box.audit()[0] == ("ann", "root replaced", "Company CA", "192.0.2.7")


def test_what_clients_would_refuse_of_a_root_stops_the_preview_and_the_change(shared):
    bound = x509.NameConstraints([x509.DNSName("other.test")], None)
    other = toy_ca.root("Other Root", critical=(bound,))
    given = ("ca.pem", toy_ca.key_pem(other.key) + toy_ca.pem(other.certificate))
    for target, fields in (("/v1/root/preview", {}), ("/v1/root", {"typed": "REPLACE"})):
        reply = shared.admin.submit(target, given, **fields)
        assert (reply.status, reply.code) == (422, "root.signs_unusable")


def test_what_may_not_sign_is_no_root(shared):
    leaf = pem_of(bought())
    for target in ("/v1/root/preview", "/v1/root"):
        fields = {"typed": "REPLACE"} if target == "/v1/root" else {}
        reply = shared.admin.submit(target, ("leaf.pem", leaf), **fields)
        assert reply.status == 422
        assert reply.code.partition(".")[0] in {"root", "upload"}


def test_without_a_root_there_is_none_to_show(tmp_path):
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    Store.open(layout).close()
    with ApiProcess(layout) as api:
        for target in ("/v1/root", "/v1/root/download"):
            reply = api.root.get(target)
            assert (reply.status, reply.code) == (404, "root.missing")
        assert api.root.get("/v1/status").json["root"] is None


def test_before_the_agent_has_run_there_is_nothing_to_look_at(tmp_path):
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    with ApiProcess(layout) as api:
        reply = api.root.get("/v1/status")
        assert (reply.status, reply.code) == (503, "store.no_state")


BRANCHES = """
from chainwright import Consequence, Module, hookimpl


class Branches(Module):
    '''Tunnels to branches.'''

    name = "branches"
    inspect = ("echo", "branch-1")
    reload = ("true",)
    unprobed = "a test"

    def declare_needs(self, host):
        return []

    def consequences_of(self, change, observed):
        return [Consequence(f"The tunnel to {observed.strip()} stops.", severity="outage")]


@hookimpl
def register_modules():
    return [Branches]
"""


def test_what_modules_say_that_another_root_breaks_is_told_by_name(appliance):
    (appliance.layout.plugins / "branches.py").write_text(BRANCHES)
    appliance.settings('hostname = "gw"\n[modules.branches]\n')
    appliance.apply()
    with ApiProcess(appliance.layout) as api:
        found = api.root.get("/v1/root/effects").json
    assert found["consequences"] == [
        {"module": "branches", "sentence": "The tunnel to branch-1 stops.", "severity": "outage"}
    ]


def test_an_inspection_that_fails_is_a_note_and_stops_nothing(appliance):
    source = BRANCHES.replace('("echo", "branch-1")', '("false",)')
    (appliance.layout.plugins / "branches.py").write_text(source)
    appliance.settings('hostname = "gw"\n[modules.branches]\n')
    appliance.apply()
    with ApiProcess(appliance.layout) as api:
        found = api.root.get("/v1/root/effects").json
    assert found["uninspected"] == [{"module": "branches", "reason": "exit code 1"}]
    assert [each["sentence"] for each in found["consequences"]] == ["The tunnel to  stops."]
