"""What the API tells of chains: the status in pages, all about one, its certificates, and its key for administrators."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import pkcs12

from support.appliances.deployed import served

NAME = "t.example.test"
PASSPHRASE = "a good pass phrase"


@pytest.fixture
def chain(shared):
    return shared.chain()


# The status


def test_the_status_says_what_each_chain_is_and_who_serves_it(shared, chain):
    page = shared.viewer.get("/v1/status").json
    (row,) = page["rows"]
    assert (row["chain"]["id"], row["chain"]["names"], row["chain"]["status"]) == (chain, [NAME], "local_by_design")
    (use,) = row["chain"]["used_by"]
    assert (use["module"], use["deployment"]) == ("tunnel", "live")
    assert use["endpoints"][0]["served_sha256"] == chain
    assert (page["total"], page["degraded"], page["attention"]) == (1, False, [])
    assert page["summary"]["chains"] == 1
    assert page["root"]["signs"] == 1
    assert [each["state"] for each in page["modules"]] == ["ok"]
    assert datetime.now(UTC) - datetime.fromisoformat(page["now"]) < timedelta(seconds=10)


def test_a_filter_looks_at_names_modules_issuers_and_words(shared):
    for text in ("T.EXAMPLE", "tunnel", "gw root", "by_design", "local"):
        assert shared.viewer.get(f"/v1/status?filter={text.replace(' ', '%20')}").json["total"] == 1, text
    page = shared.viewer.get("/v1/status?filter=nothing-like-it").json
    assert (page["total"], page["rows"], page["summary"]["chains"]) == (0, [], 1)


def test_a_row_for_each_module_where_that_is_asked_for(shared, chain):
    (row,) = shared.viewer.get("/v1/status?view=modules").json["rows"]
    assert (row["chain"]["id"], row["use"]["module"], row["use"]["slot"]) == (chain, "tunnel", "default")
    assert shared.viewer.get("/v1/status?view=uploaded").json["rows"] == []


def test_pages_are_as_long_as_asked_for(shared):
    page = shared.viewer.get("/v1/status?offset=1&limit=10").json
    assert (page["rows"], page["total"], page["offset"], page["limit"]) == ([], 1, 1, 10)


def test_what_needs_attention_comes_first_and_alone_where_that_is_asked_for(box):
    box.appliance.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {box.appliance.port}\ndomain = "{NAME}"\n'
        '[modules.second]\nplugin = "tunnel"\nport = 9\ndomain = "s.example.test"\nsources = ["uploaded"]\n'
    )
    box.appliance.apply()
    page = box.viewer.get("/v1/status").json
    assert (page["degraded"], page["attention"]) == (True, ["s.example.test"])
    first, second = page["rows"]
    assert (first["chain"], first["need"]["names"], first["need"]["problem"]["code"]) == (
        None,
        ["s.example.test"],
        "status.no_chain",
    )
    assert second["chain"]["names"] == [NAME]
    only = box.viewer.get("/v1/status?attention=1&view=modules").json
    assert [row["need"]["names"] for row in only["rows"]] == [["s.example.test"]]
    assert box.viewer.get("/v1/status?filter=s.example").json["total"] == 1


def test_what_was_written_is_seen_at_once(box):
    before = box.viewer.get("/v1/status").json["rows"][0]["chain"]["id"]
    box.appliance.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {box.appliance.port}\ndomain = "u.example.test"\n'
    )
    box.appliance.apply()
    after = [row["chain"]["names"] for row in box.viewer.get("/v1/status").json["rows"] if row["chain"]["used_by"]]
    assert after == [["u.example.test"]]
    assert before not in after


# One chain


def test_the_details_are_those_of_the_certificate_that_is_served(shared, chain):
    details = shared.viewer.get(f"/v1/chains/{chain}").json
    leaf, root = details["certificates"]
    pem = ssl.get_server_certificate(("127.0.0.1", shared.appliance.port))
    presented = x509.load_pem_x509_certificate(pem.encode())
    assert leaf["sha256"] == presented.fingerprint(SHA256()).hex() == served(shared.appliance.port)
    assert leaf["sha1"] == presented.fingerprint(SHA1()).hex()
    assert leaf["serial"] == f"{presented.serial_number:x}"
    assert (leaf["issuer"], root["subject"], root["issuer"]) == ("gw Root CA",) * 3
    assert datetime.fromisoformat(leaf["not_after"]) == presented.not_valid_after_utc
    assert details["chain"]["key_type"] == "ecdsa-p256"
    (use,) = details["used_by"]
    assert (use["title"], use["served"], use["deployment"]) == ("TLS tunnels (toyd)", "same", "live")
    assert use["endpoints"][0]["address"].endswith(f":{shared.appliance.port}")
    assert details["renewal"]["at"] == details["renewal"]["next_action_at"]
    assert "chain_stored" in {event["kind"] for event in details["events"]}


def test_an_endpoint_that_serves_something_else_is_told(box):
    chain = box.chain()
    box.appliance.stop("toyd")
    box.appliance.clock.advance(hours=1)
    box.appliance.apply()
    (use,) = box.viewer.get(f"/v1/chains/{chain}").json["used_by"]
    assert use["served"] == "nothing"
    assert use["endpoints"][0]["problem"]["code"].startswith("deploy.")


@pytest.mark.parametrize("name", ["0" * 64, "0", "t.example.test", "Ä"])
def test_a_chain_that_is_not_there_is_not_found(shared, name):
    from urllib.parse import quote

    for target in (f"/v1/chains/{quote(name)}", f"/v1/chains/{quote(name)}/download"):
        reply = shared.viewer.get(target)
        assert (reply.status, reply.code) == (404, "usage.unknown_chain")
    reply = shared.admin.post(f"/v1/chains/{quote(name)}/export", {"passphrase": PASSPHRASE})
    assert (reply.status, reply.code) == (404, "usage.unknown_chain")


def test_certificates_are_for_everybody_who_may_look_and_hold_no_key(shared, chain):
    reply = shared.viewer.get(f"/v1/chains/{chain}/download")
    assert reply.headers["content-type"] == "application/x-pem-file"
    assert reply.headers["content-disposition"] == 'attachment; filename="t.example.test.pem"'
    found = x509.load_pem_x509_certificates(reply.content)
    assert found[0].fingerprint(SHA256()).hex() == chain
    assert reply.content.count(b"-----BEGIN CERTIFICATE-----") == reply.content.count(b"-----BEGIN ")


def test_a_key_goes_out_under_a_passphrase_and_is_written_down(shared, chain):
    reply = shared.admin.post(f"/v1/chains/{chain}/export", {"passphrase": PASSPHRASE})
    assert reply.headers["content-type"] == "application/x-pkcs12"
    assert reply.headers["content-disposition"] == 'attachment; filename="t.example.test.p12"'
    key, leaf, _ = pkcs12.load_key_and_certificates(reply.content, PASSPHRASE.encode())
    assert key.public_key() == leaf.public_key()
    assert leaf.fingerprint(SHA256()).hex() == chain
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_key_and_certificates(reply.content, b"another one")
    assert shared.audit()[0] == ("ann", "key exported", NAME, "192.0.2.7")


@pytest.mark.parametrize(
    ("passphrase", "code"),
    [
        ("", "hand.passphrase_refused"),
        ("open sesame", "hand.passphrase_refused"),
        ("aaabbbcccaaa", "hand.passphrase_refused"),
        (123456789012, "api.malformed"),
        (None, "api.malformed"),
        ("x" * 257, "api.malformed"),
    ],
)
def test_no_key_goes_out_without_a_good_passphrase(shared, chain, passphrase, code):
    before = shared.audit()
    reply = shared.admin.post(f"/v1/chains/{chain}/export", {"passphrase": passphrase})
    assert (reply.status, reply.code) == (400 if code == "api.malformed" else 422, code)
    assert "open sesame" not in reply.content.decode()
    assert shared.audit() == before


def test_a_flood_of_exports_is_refused_and_nobody_else_waits_for_it(shared, chain):
    def export(_: int) -> str:
        reply = shared.admin.post(f"/v1/chains/{chain}/export", {"passphrase": PASSPHRASE})
        return "done" if reply.status == 200 else reply.code

    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(export, number) for number in range(12)]
        assert shared.viewer.get("/v1/status").status == 200
        with shared.appliance.store() as store, store.write():  # it holds no lock of the database
            store.remember("written", "meanwhile")
        found = [each.result() for each in answers]
    assert set(found) == {"done", "api.busy"}, "how many of each depends on how soon one asks after the other"


def test_a_key_that_can_not_be_written_down_does_not_go_out(box):
    with box.appliance.store() as store, store.write():
        store.database.execute("create trigger stop before insert on audits begin select raise(abort, 'full'); end")
    reply = box.admin.post(f"/v1/chains/{box.chain()}/export", {"passphrase": PASSPHRASE})
    assert (reply.status, reply.code) == (503, "store.database_refused")


# What happened


def test_events_are_told_oldest_first_and_by_module_or_chain(shared, chain):
    found = shared.viewer.get("/v1/events?limit=1000").json["events"]
    ids = [each["id"] for each in found]
    assert ids == sorted(ids)
    assert "deployed" in {each["kind"] for each in found}
    of_module = shared.viewer.get("/v1/events?module=tunnel").json["events"]
    assert {each["module"] for each in of_module} == {"tunnel"}
    about = shared.viewer.get(f"/v1/events?chain={chain}&limit=5").json["events"]
    assert about
    assert {each["id"] for each in about} <= set(ids)
    assert shared.viewer.get(f"/v1/events?chain={'0' * 64}").code == "usage.unknown_chain"
