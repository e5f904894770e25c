"""Each request of RFC 8555 on Pebble, old and new, and what the stub sees of it."""

import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.pki.account_key import make_account_key, thumbprint
from agent.sources.acme.client import AcmeClient, certificate_id
from agent.sources.acme.failures import CaProblem, CaUnreachable
from support.cas.certificates import named, p256_key, root
from support.cas.certificates import pem as pem_of
from support.cas.challtestsrv import OLD
from support.cas.pebble import renewal_window
from support.cas.stub_server import Reply
from support.clients.acme import Monotonic, asking, at, csr_for, leaf_of, proved
from support.fakes.source_context import utc_now
from support.waiting import until


@pytest.fixture
def client(stub, context):
    with asking(stub, context) as made:
        yield made


def issued_by(client: AcmeClient, context, *names: str, **wishes: str):
    order = proved(client, context, client.new_order(context, names, **wishes))
    until(lambda: client.order(context, order.url).status == "ready")
    order = client.finalize(context, client.order(context, order.url), csr_for(names))
    until(lambda: client.order(context, order.url).status == "valid")
    return client.order(context, order.url)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_certificate_is_ordered_proved_finalized_downloaded_and_revoked(pebble_with, context, old):
    options = {"programs": OLD} if old else {}
    ca = pebble_with(always_valid=True, alternate_roots=1, **options)
    with asking(ca, context) as client:
        order = issued_by(client, context, "www.example.com", "example.com")
        assert set(order.names) == {"www.example.com", "example.com"}
        issued = client.issued(context, order.certificate)
        assert len(issued.alternates) == 1
        leaf = leaf_of(issued.pem)
        assert leaf_of(client.issued(context, issued.alternates[0]).pem) == leaf
        client.revoke(context, leaf, 1)
        client.revoke(context, leaf, 1)
        assert ca.status_of(leaf.serial_number) == "Revoked"


def test_a_ca_of_another_make_issues_and_revokes_too(acme2certifier_with, context):
    ca = acme2certifier_with(answers=True)
    with asking(ca, context, contact=["admin@example.com"]) as client:
        order = client.new_order(context, ["www.example.com"])
        authorization = client.authorization(context, order.authorizations[0])
        challenge = next(each for each in authorization.challenges if each.type == "http-01")
        ca.dns.answer(challenge.chall.encode("token"), challenge.key_authorization(client.key))
        client.answer(context, challenge)
        until(lambda: client.order(context, order.url).status == "ready")
        client.finalize(context, client.order(context, order.url), csr_for(order.names))
        until(lambda: client.order(context, order.url).status == "valid")
        leaf = leaf_of(client.issued(context, client.order(context, order.url).certificate).pem)
        assert client.renewal_info(context, certificate_id(leaf)).end <= leaf.not_valid_after_utc
        client.revoke(context, leaf, 1)
        client.revoke(context, leaf, 1)


def test_a_new_pebble_says_when_to_renew_and_offers_profiles(pebble_with, context):
    with asking(pebble_with(always_valid=True), context) as client:
        assert client.directory(context).meta.profiles == {"classic": "90 days"}
        order = issued_by(client, context, "www.example.com", profile="classic")
        assert order.profile == "classic"
        leaf = leaf_of(client.issued(context, order.certificate).pem)
        info = client.renewal_info(context, certificate_id(leaf))
        assert leaf.not_valid_before_utc < info.start < info.end < leaf.not_valid_after_utc
        assert info.retry_after == 21600
        issued_by(client, context, "www.example.com", replaces=certificate_id(leaf))
        with pytest.raises(CaProblem) as refused:
            client.new_order(context, ["www.example.com"], replaces=certificate_id(leaf))
        assert (refused.value.problem.type, refused.value.problem.status) == ("alreadyReplaced", 409)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ('{"suggestedWindow": {"start": "2026-11', "its answer is not the JSON object that it should be"),
        ("{}", "the window that it suggests for the renewal has no sense"),
        (renewal_window(at("2027-01-02 00:00:00"), at("2027-01-01 00:00:00")), "the window that it suggests"),
    ],
    ids=["broken", "empty", "backwards"],
)
def test_renewal_information_without_sense_is_told(pebble_with, context, answer, cause):
    ca = pebble_with(always_valid=True)
    with asking(ca, context) as client:
        pem = client.issued(context, issued_by(client, context, "www.example.com").certificate).pem
        ca.set_renewal_info(pem_of(leaf_of(pem)).decode(), answer)
        with pytest.raises(CaUnreachable, match=cause):
            client.renewal_info(context, certificate_id(leaf_of(pem)))


def test_an_old_pebble_says_nothing_of_renewal_and_profiles(old_pebble, context):
    with asking(old_pebble, context) as client:
        assert client.directory(context).meta.profiles is None
        assert client.renewal_info(context, "AAAA.BBBB") is None


def test_a_certificate_can_be_revoked_by_its_own_key(pebble_with, context):
    ca = pebble_with(always_valid=True)
    with asking(ca, context) as client:
        key = p256_key()
        order = proved(client, context, client.new_order(context, ["www.example.com"]))
        until(lambda: client.order(context, order.url).status == "ready")
        client.finalize(context, client.order(context, order.url), csr_for(["www.example.com"], key))
        until(lambda: client.order(context, order.url).status == "valid")
        leaf = leaf_of(client.issued(context, client.order(context, order.url).certificate).pem)
    other = AcmeClient(ca.directory_url, make_account_key(), trust=ca.trust_file, now=utc_now)
    other.revoke(context, leaf, 1, key)
    other.close()
    assert ca.status_of(leaf.serial_number) == "Revoked"


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_after_a_change_of_key_the_account_is_known_by_the_new_one(pebble_with, context, old):
    with asking(pebble_with(**({"programs": OLD} if old else {})), context) as client:
        order = client.new_order(context, ["www.example.com"])
        new = make_account_key()
        client.change_key(context, new)
        assert client.thumbprint == thumbprint(new)
        assert client.order(context, order.url).status == "pending"


def test_a_name_s_authorization_lists_challenges_that_the_library_does_not_know(pebble, context):
    with asking(pebble, context) as client:
        order = client.new_order(context, ["*.wild.example.com"])
        found = client.authorization(context, order.authorizations[0])
        assert (found.name, found.wildcard) == ("wild.example.com", True)
        assert "dns-persist-01" in {each.type for each in found.challenges}


def test_an_address_is_ordered_as_one(pebble, context):
    with asking(pebble, context) as client:
        order = client.new_order(context, ["192.0.2.1"])
        assert order.names == ("192.0.2.1",)
        assert client.authorization(context, order.authorizations[0]).name == "192.0.2.1"


def test_the_directory_is_fetched_once_a_day(stub, context):
    clock = Monotonic()
    with asking(stub, context, monotonic=clock) as client:
        assert client.directory(context) == client.directory(context)
        assert len(stub.requests("directory")) == 1
        clock.at += 86401
        client.directory(context)
        assert len(stub.requests("directory")) == 2


def test_everyone_is_told_who_asks(stub, client, context):
    client.new_order(context, ["www.example.com"])
    for each in stub.seen:
        assert re.fullmatch(r"chainwright/\S+ acme/\S+", each.headers["User-Agent"])


def test_an_order_says_what_is_wanted_and_nothing_else(stub, client, context):
    client.new_order(context, ["b.example.com", "a.example.com"])
    client.new_order(context, ["a.example.com"], profile="classic", replaces="AA.BB")
    plain, wishful = [each.payload for each in stub.requests("newOrder")]
    names = [{"type": "dns", "value": name} for name in ("a.example.com", "b.example.com")]
    assert plain == {"identifiers": names}
    assert wishful == {"identifiers": names[:1], "profile": "classic", "replaces": "AA.BB"}


def test_what_is_read_is_posted_with_an_empty_body_and_a_challenge_with_an_empty_object(stub, client, context):
    proved(client, context, client.new_order(context, ["www.example.com"]))
    assert [each.payload for each in stub.requests("authorization")] == [None]
    assert [each.payload for each in stub.requests("challenge")] == [{}]
    assert {each.method for each in stub.requests("authorization")} == {"POST"}


def test_a_challenge_that_is_looked_at_already_is_returned_as_it_is(stub, client, context):
    order = client.new_order(context, ["www.example.com"])
    (challenge,) = client.authorization(context, order.authorizations[0]).challenges
    assert client.answer(context, challenge).status == "valid"
    assert client.answer(context, challenge).status == "valid"


def test_a_challenge_that_can_t_be_answered_is_an_error(stub, client, context):
    order = client.new_order(context, ["www.example.com"])
    (challenge,) = client.authorization(context, order.authorizations[0]).challenges
    stub.script("challenge", Reply(400, "malformed", "no"))
    with pytest.raises(CaProblem, match="malformed: no"):
        client.answer(context, challenge)


def test_finalizing_an_order_that_is_not_ready_returns_it_as_it_is(client, context):
    order = client.new_order(context, ["www.example.com"])
    assert client.finalize(context, order, csr_for(order.names)).status == "pending"
    ready = proved(client, context, order)
    assert client.finalize(context, ready, csr_for(order.names)).status == "processing"
    assert client.finalize(context, ready, csr_for(order.names)).status == "valid"


def test_the_difference_of_the_clocks_is_known_from_the_first_answer(stub, context):
    stub.clock = lambda: at("2026-11-23 12:00:00")
    with asking(stub, context, now=lambda: at("2026-11-23 10:00:00")) as client:
        assert client.skew == timedelta(hours=2)
    fresh = AcmeClient(stub.directory_url, context.key, now=utc_now)
    assert fresh.skew is None


def test_a_certificate_id_is_that_of_the_example_in_rfc_9773_section_4_1():
    key = p256_key()
    issuer = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    leaf = (
        x509.CertificateBuilder()
        .subject_name(named("example"))
        .issuer_name(named("issuer"))
        .public_key(key.public_key())
        .serial_number(0x87654321)
        .not_valid_before(at("2026-11-01 00:00:00"))
        .not_valid_after(at("2026-12-01 00:00:00"))
        .add_extension(x509.AuthorityKeyIdentifier(issuer, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert certificate_id(leaf) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def test_a_certificate_without_an_issuer_s_identifier_has_no_id():
    assert certificate_id(root(identifiers=False).certificate) == ""
