"""Peer certificates, the root's list and taking something back through the local API."""

from __future__ import annotations

import os

import pytest
from cryptography import x509

from support.appliances.api import ANN, VIC, Box, make_people
from support.appliances.branching import HeadOffice
from support.processes.api import ApiProcess


@pytest.fixture
def branches(appliance):
    office = HeadOffice(appliance)
    make_people(appliance)
    with ApiProcess(appliance.layout, web=(os.geteuid(),), jobs="done") as api:
        box = Box(appliance, api, api.log_in("ann", ANN), api.log_in("vic", VIC))
        box.office = office
        yield box
        assert "Traceback" not in api.log


def test_what_the_root_has_signed_for_others_is_listed_and_downloaded(branches):
    serial = branches.office.sign("branch-1")
    found = branches.viewer.get("/v1/root/peers").json
    (row,) = found["peers"]
    assert (row["serial"], row["module"], row["label"], row["state"]) == (serial, "branches", "branch-1", "good")
    assert (row["purposes"], row["names"]) == (["server", "client"], ["branch-1.example.test"])
    assert row["not_before"] < row["renew_at"] < row["not_after"]
    assert (found["crl"]["number"], found["crl"]["revoked"]) == (1, 0)
    reply = branches.viewer.get(f"/v1/root/peers/{serial}/download")
    leaf, root = x509.load_pem_x509_certificates(reply.content)
    assert f"{leaf.serial_number:x}" == serial
    leaf.verify_directly_issued_by(root)
    assert reply.headers["content-disposition"] == 'attachment; filename="branch-1.pem"'
    assert branches.viewer.get("/v1/root/peers/0/download").code == "root.peer_unknown"


def test_the_list_is_for_everybody_in_two_forms(branches):
    pem = branches.api.browser.get("/v1/root/crl")
    der = branches.api.browser.get("/v1/root/crl?format=der")
    assert [each.headers["content-type"] for each in (pem, der)] == ["application/x-pem-file", "application/pkix-crl"]
    assert x509.load_der_x509_crl(der.content) == x509.load_pem_x509_crl(pem.content)
    assert branches.api.browser.get(f"/v1/root/crl?of={'0' * 64}").code == "root.unknown"


def test_taking_back_is_confirmed_first_and_then_a_job(branches):
    serial = branches.office.sign("branch-1")
    effects = branches.viewer.get(f"/v1/root/signed/{serial}/effects").json
    assert effects["consequences"] == [
        {"module": "branches", "sentence": "A tunnel stops for good.", "severity": "outage"}
    ]
    asked = branches.admin.post("/v1/root/revoke", {"serial": serial})
    assert (asked.code, asked.json["effects"]) == ("api.not_confirmed", ["A tunnel stops for good. (branches)"])
    wish = {"serial": serial.upper(), "reason": "keyCompromise", "confirmed": True}
    branches.ends(branches.admin.post("/v1/root/revoke", wish))
    (row,) = branches.viewer.get("/v1/root/peers").json["peers"]
    assert (row["state"], row["reason"]) == ("revoked", "keyCompromise")
    assert branches.viewer.get("/v1/root/peers").json["crl"]["revoked"] == 1
    assert branches.audit()[0] == ("ann", "revoke", "branches/branch-1", "192.0.2.7")
    assert branches.admin.post("/v1/root/revoke", {"serial": "abc", "confirmed": True}).code == "root.peer_unknown"
    assert branches.admin.post("/v1/root/revoke", {"serial": "--yes"}).code == "api.malformed"
    again = branches.ends(branches.admin.post("/v1/root/revoke", wish), "failed")
    assert again["problem"]["code"] == "root.revoked_before"


def test_a_local_chain_is_revoked_and_another_takes_its_place(branches):
    (row,) = branches.viewer.get("/v1/status").json["rows"]
    serial = row["chain"]["serial"]
    effects = branches.viewer.get(f"/v1/root/signed/{serial}/effects").json
    assert [each["slot"] for each in effects["switches"]] == ["office"]
    before = branches.chain()
    branches.ends(branches.admin.post("/v1/root/revoke", {"serial": serial, "confirmed": True}))
    assert branches.chain() not in {None, before}


def test_what_another_chain_breaks_is_said_by_name(branches):
    branches.office.up.write_text("north\n")
    for target in (f"chains/{branches.chain()}/effects", "reissue/effects?name=office.example.test"):
        found = branches.viewer.get(f"/v1/{target}").json
        assert [each["sentence"] for each in found["consequences"]] == ["The tunnel to north drops once."]
    assert branches.viewer.get("/v1/reissue/effects?name=x.example.test").code == "hand.nothing_to_reissue"
    found = branches.viewer.get(f"/v1/chains/{branches.chain()}/effects").json
    assert [each["sentence"] for each in found["consequences"]] == ["The tunnel to north drops once."]
