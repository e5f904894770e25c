"""Uploading a chain through the API: looked at first, then stored, deployed and seen on the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from agent.pki.encoding import Format, Part, encode
from support.appliances.api import NAME, bought, pem_of
from support.cas.certificates import Party
from support.fakes.uploads import hidden_bomb, several
from support.processes.tree import inspections_of
from support.waiting import until

PASSPHRASE = "correct horse"
PLACE = ("tunnel", "default")


@pytest.fixture(scope="module")
def chain():
    return bought()


def encrypted(chain) -> bytes:
    key = chain.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode()))
    return key + pem_of(chain, key=False)


def test_a_preview_says_what_it_is_and_who_would_switch_and_stores_nothing(shared, chain):
    before = shared.chain()
    found = shared.admin.submit("/v1/uploads/preview", ("portal.pem", pem_of(chain))).json
    assert (found["id"], found["names"], found["issuer"], found["refusal"]) == (chain.id, [NAME], "Shop CA", None)
    assert [each["subject"] for each in found["certificates"]] == [NAME, "Shop CA"]
    assert {"level": "ok", "sentence": "the key matches"} in found["findings"] or found["findings"]
    (switch,) = found["switches"]
    assert (switch["module"], switch["before"], switch["after"]) == ("tunnel", before, chain.id)
    assert switch["reason"] == f"uploaded, covers {NAME}"
    assert shared.viewer.get("/v1/status?view=uploaded").json["total"] == 0


def test_a_chain_can_be_pasted_or_come_in_several_files_or_as_pkcs12(shared, chain):
    whole = pem_of(chain).decode()
    pkcs12 = encode(chain, [Part.KEY, Part.FULLCHAIN, Part.ROOT], Format.PKCS12, password=PASSPHRASE.encode())
    key, certificates = encode(chain, [Part.KEY]), pem_of(chain, key=False)
    for reply in (
        shared.admin.submit("/v1/uploads/preview", paste=whole),
        shared.admin.submit("/v1/uploads/preview", ("a.crt", certificates), ("a.key", key)),
        shared.admin.submit("/v1/uploads/preview", ("a.crt", certificates), paste=key.decode()),
        shared.admin.submit("/v1/uploads/preview", ("a.p12", pkcs12), passphrase=PASSPHRASE),
        shared.admin.submit("/v1/uploads/preview", ("a.pem", encrypted(chain)), passphrase=PASSPHRASE),
        shared.admin.submit("/v1/uploads/preview", ("", b""), paste=whole),  # no file was chosen
    ):
        assert (reply.status, reply.json["id"]) == (200, chain.id), reply


@pytest.mark.parametrize(
    ("files", "fields", "code"),
    [
        ([], {}, "upload.nothing_given"),
        ([("empty.pem", b"")], {}, "upload.nothing_given"),
        ([("letter.txt", b"Dear administrator,\n")], {}, "upload.not_a_certificate"),
        (["certificates"], {}, "upload.key_missing"),
        (["encrypted"], {}, "upload.passphrase_missing"),
        (["encrypted"], {"passphrase": "wrong"}, "upload.passphrase_wrong"),
        (["torn"], {}, "upload.broken_block"),
        (["mismatch"], {}, "upload.pair_mismatch"),
    ],
)
def test_wrong_files_are_refused_with_what_is_wrong(shared, chain, files, fields, code):
    kinds = {
        "certificates": pem_of(chain, key=False),
        "encrypted": encrypted(chain),
        "torn": pem_of(chain)[:300],
        "mismatch": encode(bought(), [Part.KEY]) + pem_of(chain, key=False),
    }
    given = [(f"{each}.pem", kinds[each]) if isinstance(each, str) else each for each in files]
    for target in ("/v1/uploads/preview", "/v1/uploads"):
        reply = shared.admin.submit(target, *given, **fields)
        assert (reply.status, reply.code) == (422, code)
        assert reply.json["fix"]
    assert shared.viewer.get("/v1/status?view=uploaded").json["total"] == 0


def test_the_api_answers_while_a_file_that_costs_minutes_is_opened_and_given_up(shared):
    bomb = hidden_bomb(2_000_000_000, PASSPHRASE.encode())
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(shared.admin.submit, "/v1/uploads/preview", ("bomb.p12", bomb), passphrase=PASSPHRASE)
        until(lambda: inspections_of(shared.api.process.pid))
        for _ in range(5):
            assert shared.viewer.get("/v1/status").status == 200
        assert not opened.done()
        reply = opened.result()
    assert (reply.status, reply.code) == (422, "upload.too_costly")
    assert reply.json["where"] == "bomb.p12"
    assert reply.json["title"] in {
        "It takes more than 10 seconds of computing time to open and to check, and was given up.",
        "It takes more than 25 seconds to open and to check, and was given up.",  # on a busy machine
    }
    assert inspections_of(shared.api.process.pid) == []


def test_of_two_chains_in_a_keystore_the_one_that_is_asked_for_is_taken(shared, chain):
    other = bought("other.example.test")
    keystore = several([Party(each.key, each.leaf) for each in (other, chain)], *authorities(chain, other))
    reply = shared.admin.submit("/v1/uploads/preview", ("keystore.p12", keystore))
    assert (reply.status, reply.code) == (422, "upload.two_chains")
    reply = shared.admin.submit("/v1/uploads/preview", ("keystore.p12", keystore), for_name=NAME)
    assert (reply.status, reply.json["id"], reply.json["refusal"]) == (200, chain.id, None)
    assert {"level": "note", "sentence": '"other.example.test" left out, and its key'} in reply.json["findings"]


def authorities(*chains) -> list[Party]:
    """Return those above the leaves, with keys that nobody reads."""
    above = dict.fromkeys(each for chain in chains for each in (*chain.intermediates, chain.anchor) if each)
    return [Party(chains[0].key, each) for each in above]


def test_a_preview_says_why_it_would_not_be_stored_as_it_is(shared, chain):
    other = bought("other.example.test")
    unneeded = shared.admin.submit("/v1/uploads/preview", ("a.pem", pem_of(other))).json
    assert (unneeded["refusal"]["code"], unneeded["switches"]) == ("hand.nobody_needs", [])
    kept = shared.admin.submit("/v1/uploads/preview", ("a.pem", pem_of(other)), keep_unused="1").json
    assert kept["refusal"] is None
    elsewhere = shared.admin.submit("/v1/uploads/preview", ("a.pem", pem_of(chain)), for_name="x.example.test").json
    assert elsewhere["refusal"]["code"] == "hand.name_not_covered"
    reply = shared.admin.submit("/v1/uploads", ("a.pem", pem_of(other)))
    assert (reply.status, reply.code) == (409, "hand.nobody_needs")
    reply = shared.admin.submit("/v1/uploads", ("a.pem", pem_of(chain)), for_name="x.example.test")
    assert (reply.status, reply.code) == (422, "hand.name_not_covered")


def test_an_upload_is_served_when_its_job_has_ended_and_handed_over_when_it_is_deleted(box):
    local, chain = box.chain(), bought()
    reply = box.admin.submit("/v1/uploads", ("portal.pem", pem_of(chain)), for_name=NAME)
    job = box.ends(reply)
    assert (job["action"], job["subject"], job["who"]) == ("chain uploaded", NAME, "ann")
    assert (reply.json["chain"], box.wire()) == (chain.id, chain.id)
    (row,) = box.viewer.get("/v1/status?view=uploaded").json["rows"]
    assert (row["chain"]["id"], row["chain"]["status"]) == (chain.id, "valid")
    again = box.admin.submit("/v1/uploads/preview", ("portal.pem", pem_of(chain)))
    assert again.json["refusal"]["code"] == "hand.already_uploaded"

    refused = box.admin.delete(f"/v1/chains/{chain.id}")
    assert (refused.status, refused.code) == (409, "hand.chain_in_use")
    assert refused.json["users"] == ["tunnel/default"]
    assert refused.json["successors"] == ["tunnel/default: a chain of local takes over"]
    assert box.wire() == chain.id
    box.ends(box.admin.delete(f"/v1/chains/{chain.id}?confirmed=1"))
    assert box.wire() == local
    assert box.admin.delete(f"/v1/chains/{chain.id}?confirmed=1").code == "usage.unknown_chain"
    assert [row[:3] for row in box.audit()[:2]] == [("ann", "chain deleted", NAME), ("ann", "chain uploaded", NAME)]


def test_an_upload_that_another_one_goes_before_says_so(box):
    first, second = bought(days=700), bought(days=300)
    assert box.ends(box.admin.submit("/v1/uploads", ("a.pem", pem_of(first))))["state"] == "done"
    preview = box.admin.submit("/v1/uploads/preview", ("b.pem", pem_of(second))).json
    (row,) = preview["outranked"]
    assert (row["module"], row["slot"], row["chain"], row["pinnable"]) == ("tunnel", "default", first.id, True)
    assert row["reason"].startswith("it ends later: ")
    reply = box.admin.submit("/v1/uploads", ("b.pem", pem_of(second)))
    assert (reply.json["switches"], reply.json["outranked"]) == ([], [row])
    box.ends(reply)
    assert box.wire() == first.id


def test_a_pin_is_set_and_taken_back_and_is_for_administrators(box):
    first, second = bought(days=300), bought(days=200)
    for each in (first, second):
        box.ends(box.admin.submit("/v1/uploads", ("a.pem", pem_of(each))))
    assert box.wire() == first.id
    wish = {"module": "tunnel", "slot": "default", "chain": second.id}
    assert box.viewer.post("/v1/pins", wish).status == 403
    job = box.ends(box.admin.post("/v1/pins", wish))
    assert (job["action"], job["subject"], box.wire()) == ("chain pinned", "tunnel/default", second.id)
    (row,) = box.viewer.get("/v1/pins").json["pins"]
    (here,), (there,) = (box.viewer.get(f"/v1/chains/{each.id}").json["pins"] for each in (second, first))
    assert (here["module"], here["slot"], here["who"], here["at"], here["other"]) == (*PLACE, "ann", row["at"], None)
    assert (there["module"], there["slot"], there["who"], there["at"], there["other"]) == (*PLACE, "", None, second.id)
    assert (row["module"], row["slot"], row["chain"], row["who"]) == (*PLACE, second.id, "ann")
    assert box.viewer.delete("/v1/pins?module=tunnel&slot=default").status == 403
    stale = box.admin.delete(f"/v1/pins?module=tunnel&slot=default&chain={first.id}")
    assert (stale.status, stale.code) == (409, "pin.moved")
    assert [each["chain"] for each in box.viewer.get("/v1/pins").json["pins"]] == [second.id]
    box.ends(box.admin.delete(f"/v1/pins?module=tunnel&slot=default&chain={second.id}"))
    assert (box.viewer.get("/v1/pins").json["pins"], box.wire()) == ([], first.id)
    gone = box.admin.delete("/v1/pins?module=tunnel&slot=default")
    assert (gone.status, gone.code) == (409, "pin.none")
    refused = box.admin.post("/v1/pins", {**wish, "chain": "0" * 64})
    assert (refused.status, refused.code) == (404, "usage.unknown_chain")
    assert [row[:3] for row in box.audit()[:2]] == [
        ("ann", "pin taken back", "tunnel/default"),
        ("ann", "chain pinned", "tunnel/default"),
    ]


def test_a_chain_that_replaces_another_one_takes_its_place(box):
    first, second = bought(), bought(days=300)
    box.ends(box.admin.submit("/v1/uploads", ("a.pem", pem_of(first))))
    assert box.admin.submit("/v1/uploads", ("b.pem", pem_of(second)), replace="0" * 64).code == "usage.unknown_chain"
    local = next(each for each in box.viewer.get("/v1/status").json["rows"] if each["chain"]["source"] == "local")
    reply = box.admin.submit("/v1/uploads", ("b.pem", pem_of(second)), replace=local["chain"]["id"])
    assert (reply.status, reply.code) == (409, "hand.not_deletable")
    box.ends(box.admin.submit("/v1/uploads", ("b.pem", pem_of(second)), replace=first.id))
    assert box.wire() == second.id
    (row,) = box.viewer.get("/v1/status?view=uploaded").json["rows"]
    assert row["chain"]["id"] == second.id


def test_a_chain_of_another_source_is_not_deleted(shared):
    reply = shared.admin.delete(f"/v1/chains/{shared.chain()}?confirmed=1")
    assert (reply.status, reply.code) == (409, "hand.not_deletable")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"paste=x", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=y"),
        (b"--y\r\n\r\n", "multipart/form-data; boundary=y; charset=nonsense"),
        (b'--y\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--y--\r\n', "multipart/form-data; boundary=y"),
        (
            b'--y\r\nContent-Disposition: form-data; name="paste"\r\n\r\n1\r\n' * 2 + b"--y--\r\n",
            "multipart/form-data; boundary=y",
        ),
        (
            b'--y\r\nContent-Disposition: form-data; name="files"\r\n\r\n1\r\n--y--\r\n',
            "multipart/form-data; boundary=y",
        ),
    ],
)
def test_what_is_no_such_form_is_refused(shared, content, kind):
    reply = shared.admin.ask("POST", "/v1/uploads", content, **{"Content-Type": kind})
    assert (reply.status, reply.code) == (400, "api.malformed")


def test_the_name_of_a_file_is_only_ever_shown(shared):
    for name in ("../../etc/passwd", "a\\b", "x" * 500, "\u202egpj.exe"):
        reply = shared.admin.submit("/v1/uploads", (name, b"Dear administrator,\n"))
        assert (reply.status, reply.code) == (422, "upload.not_a_certificate")
        assert len(reply.json["where"]) <= 80
