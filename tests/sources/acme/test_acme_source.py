"""The ACME rung of the ladder: what may be set, what it serves, and when its chains are due. Nothing here asks a CA."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from agent.contract.fields import SecretText
from agent.contract.source import RequestState
from agent.model.need import Request
from agent.model.records import Watch
from agent.pki.key import KeyType
from agent.pki.purpose import Purpose
from agent.sources import AcmeSource
from agent.sources.acme.values import ExternalAccount
from support.fakes.ladder import DAY, NOW, need, record

MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
NOTHING = RequestState(chain=None, bound=None, order=None, root=None)


def request(*names: str, key_type: KeyType = KeyType.ECDSA_P256, purpose: Purpose = Purpose.SERVER) -> Request:
    return Request(names=frozenset(names or {"www.chain.dev"}), key_type=key_type, purpose=purpose)


def refusal(**settings: object) -> str:
    with pytest.raises(ValidationError) as refused:
        AcmeSource(**settings)
    (error,) = refused.value.errors()
    return error["msg"].removeprefix("Value error, ")


# Settings


def test_it_is_let_s_encrypt_unless_told_otherwise():
    source = AcmeSource()
    assert source.directory_url == "https://acme-v02.api.letsencrypt.org/directory"
    assert source.ca == "Let's Encrypt"


def test_staging_is_one_word():
    source = AcmeSource(directory="letsencrypt-staging")
    assert source.directory_url == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert source.ca == "Let's Encrypt (staging)"


N26 = [f"n{number}.chain.dev" for number in range(26)]


@pytest.mark.parametrize(
    "url",
    [
        "https://ca.example.com/acme/directory",
        "https://ca.example.com:14000/dir?x=1",
        "https://[2001:db8::1]/dir",
        "http://127.0.0.1:4000/dir",
        "http://localhost/dir",
    ],
)
def test_any_other_ca_is_named_by_its_directory(url: str):
    source = AcmeSource(directory=url)
    assert source.directory_url == url
    assert source.ca in url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://ca.example.com/dir", "must begin with https://"),
        ("ftp://localhost/dir", "must begin with https://"),
        ("letsencript", 'must be "letsencrypt", "letsencrypt-staging"'),
        ("https://ca.example.com", "the address of a directory like"),
        ("https://me@ca.example.com/dir", "the address of a directory like"),
        ("https://ca.example.com/dir#x", "the address of a directory like"),
        ("https://ca.example.com:0/dir", "the address of a directory like"),
        ("https://*.example.com/dir", "the address of a directory like"),
        ("https://ca.example.com:x/dir", "the address of a directory like"),
        ("https://ca.example.com/a b", "a character that an address must not hold"),
        ("", "the address of a directory like"),
    ],
)
def test_what_is_no_directory_is_refused(url: str, why: str):
    assert why in refusal(directory=url)


def test_one_contact_or_several():
    assert AcmeSource(contact="Admin+tls@Example.com").contact == ("Admin+tls@example.com",)
    assert AcmeSource(contact=["a@example.com", "b@example.com"]).contact == ("a@example.com", "b@example.com")


@pytest.mark.parametrize(
    "contact",
    ["admin", "@example.com", "admin@gateway", "admin@192.0.2.1", "a b@example.com", "admin@*.example.com", 'a"@e.com'],
)
def test_what_is_no_mail_address_is_refused(contact: str):
    assert "e-mail address" in refusal(contact=contact) or "asterisk" in refusal(contact=contact)


def test_resolvers_have_port_53_unless_told_otherwise():
    source = AcmeSource(resolvers=["192.0.2.53", "2001:db8::53", "[2001:db8::53]:5353", "192.0.2.53:5353"])
    found = [(each.host, each.port) for each in source.resolvers]
    assert found == [("192.0.2.53", 53), ("2001:db8::53", 53), ("2001:db8::53", 5353), ("192.0.2.53", 5353)]
    assert AcmeSource(resolvers="192.0.2.53").resolvers[0].port == 53


@pytest.mark.parametrize("resolver", ["dns.example.com", "5353", 53, "192.0.2.53:0", "192.0.2.53:99999", "", "[::1]"])
def test_what_is_no_resolver_is_refused(resolver: object):
    assert "must be an address, with a port where it is not 53" in refusal(resolvers=[resolver])


def test_an_external_account_has_a_key_that_is_never_shown():
    source = AcmeSource(external_account={"kid": "kid-1", "hmac_key": SecretText(MAC_KEY + "==")})
    assert source.external_account is not None
    assert source.external_account.hmac_key.reveal() == MAC_KEY
    assert MAC_KEY not in repr(source) + source.model_dump_json()


@pytest.mark.parametrize("key", ["not base64url!", "12345", "===="])
def test_an_external_account_s_key_is_base64url_and_a_wrong_one_is_not_quoted(key: str):
    with pytest.raises(ValidationError) as refused:
        AcmeSource(external_account={"kid": "kid-1", "hmac_key": SecretText(key)})
    (error,) = refused.value.errors()
    assert "base64url" in error["msg"]
    assert key not in str(refused.value)


def test_a_key_identifier_has_no_spaces():
    assert "key identifier" in refusal(external_account={"kid": "a b", "hmac_key": SecretText(MAC_KEY)})


def test_each_setting_is_described():
    fields = {**AcmeSource.model_fields, **ExternalAccount.model_fields}
    assert [name for name, field in fields.items() if not field.description] == []


def test_a_failed_order_is_tried_again_when_a_setting_changes():
    assert AcmeSource().settings_digest != AcmeSource(directory="letsencrypt-staging").settings_digest


# What it serves


@pytest.mark.parametrize(
    ("asked", "settings", "reason"),
    [
        (request("www.chain.dev", "chain.dev"), {}, ""),
        (request(key_type=KeyType.RSA_2048), {}, ""),
        (request(key_type=KeyType.ED25519), {}, "it certifies no ed25519 keys"),
        (request(purpose=Purpose.CLIENT), {}, "it certifies servers only"),
        (
            request("*.chain.dev"),
            {},
            "*.chain.dev is a wildcard, which only DNS proves: add [dns.NAME] for its zone",
        ),
        (
            request("*.chain.dev"),
            {"directory": "google"},
            (
                "*.chain.dev is a wildcard, which only DNS proves: add [dns.NAME] for its zone, "
                "or set the record that `chainwright acme persist '*.chain.dev'` shows"
            ),
        ),
        (
            request("*.chain.dev"),
            {"challenges": ["http-01", "dns-01"]},
            "*.chain.dev is a wildcard, which only DNS proves: add [dns.NAME] for its zone",
        ),
        (
            request("*.chain.dev"),
            {"challenges": ["http-01"]},
            "*.chain.dev is a wildcard, which only DNS proves: add dns-01 or dns-persist-01 to challenges",
        ),
        (
            request("www.chain.dev"),
            {"challenges": ["dns-01"]},
            "www.chain.dev is to be proved by DNS (challenges): add [dns.NAME] for its zone",
        ),
        (
            request("8.8.8.8"),
            {"addresses": True, "challenges": ["dns-01"]},
            "8.8.8.8 is an address, which only http-01 or tls-alpn-01 proves: add one of them to challenges",
        ),
        (request("gw.lan"), {}, "gw.lan is no public name"),
        (request("gateway"), {}, "gateway is no public name"),
        (request("gateway", "gw.lan"), {"names": "any"}, ""),
        (request("8.8.8.8"), {}, "8.8.8.8 is an address, which it is not asked for (addresses = false)"),
        (request("8.8.8.8"), {"addresses": True}, ""),
        (request("10.0.0.1"), {"addresses": True}, "10.0.0.1 is no public name"),
        (request("10.0.0.1"), {"addresses": True, "names": "any"}, ""),
        (
            request("10.0.0.1"),
            {"names": "any"},
            "10.0.0.1 is an address, which it is not asked for (addresses = false)",
        ),
        (request(*(f"n{number}.chain.dev" for number in range(100))), {}, ""),
        (
            request(*(f"n{number}.chain.dev" for number in range(101))),
            {},
            "it certifies at most 100 names in one chain, not 101",
        ),
        (request(*N26[1:]), {"profile": "shortlived"}, ""),
        (
            request(*N26),
            {"profile": "shortlived"},
            "it certifies at most 25 names in one chain by the profile shortlived, not 26",
        ),
        (
            request(*N26),
            {"profile": "tlsserver", "directory": "letsencrypt-staging"},
            "it certifies at most 25 names in one chain by the profile tlsserver, not 26",
        ),
        (
            request("8.8.8.8", *N26[1:]),
            {"addresses": True},
            "it certifies at most 25 names in one chain by the profile shortlived, not 26",
        ),
        (request(*N26), {"profile": "classic"}, ""),
        (request(*N26), {"profile": "shortlived", "directory": "https://ca.example/directory"}, ""),
    ],
)
def test_it_declines_what_the_ca_does_not_certify_or_no_challenge_can_prove(
    asked: Request, settings: dict[str, object], reason: str
):
    offer = AcmeSource(**settings).offers(asked, NOTHING)
    assert (offer.serves, offer.reason) == (not reason, reason)


@pytest.mark.parametrize(
    ("names", "state", "serves"),
    [
        (["*.chain.dev", "chain.dev"], {"dns_zones": ("chain.dev",)}, True),
        (["*.a.chain.dev"], {"dns_zones": ("other.dev", "chain.dev")}, True),
        (["*.chain.dev"], {"dns_zones": ("",)}, True),
        (["*.chain.dev"], {"dns_zones": ("ain.dev", "www.chain.dev")}, False),
        (["*.chain.dev"], {"persistent": frozenset({"*.chain.dev"})}, True),
        (["*.chain.dev"], {"persistent": frozenset({"chain.dev"})}, False),
    ],
)
def test_a_wildcard_is_served_where_its_zone_can_be_written_or_has_a_lasting_record(
    names: list[str], state: dict[str, object], serves: bool
):
    assert AcmeSource().offers(request(*names), replace(NOTHING, **state)).serves is serves


def test_where_there_are_tables_for_other_zones_the_zone_of_an_alias_is_told_too():
    state = replace(NOTHING, dns_zones=("proof.dev",))
    offer = AcmeSource(directory="google").offers(request("*.chain.dev"), state)
    assert not offer.serves
    assert offer.reason == (
        "*.chain.dev is a wildcard, which only DNS proves: add its zone to those of a [dns.NAME], even if "
        "_acme-challenge.chain.dev is an alias into another zone, or set the record that "
        "`chainwright acme persist '*.chain.dev'` shows"
    )


# When its chains are due

NEED = need()


def state(days: float, age: timedelta, watch: Watch | None = None, label: str = "a") -> RequestState:
    chain = record(label, "acme", made_for=NEED, since=NOW - age, days=days)
    return RequestState(chain=chain, bound=chain, order=None, root=None, watch=watch)


def due(state: RequestState):
    return AcmeSource().due(NEED.request, state, NOW)


def suggestion(of: RequestState, renew_at) -> RequestState:
    assert of.chain is not None
    watch = Watch(chain=of.chain.id, renew_at=renew_at)
    return RequestState(chain=of.chain, bound=of.bound, order=None, root=None, watch=watch)


def test_without_a_chain_it_is_due_at_once():
    assert due(NOTHING).at == NOW


@pytest.mark.parametrize(("days", "left"), [(90, 30), (45, 15), (6, 3)])
def test_without_a_suggestion_it_is_due_by_the_lifetime_a_little_earlier_on_each_host(days: int, left: float):
    instants = [due(state(days, DAY / 2, label=f"{number:02x}")).at for number in range(0, 256, 8)]
    latest = NOW - DAY / 2 + timedelta(days=days - left)
    assert all(latest - timedelta(days=days * 0.02) <= each <= latest for each in instants)
    assert len(set(instants)) == len(instants), "hosts don't come at the same instant"
    assert max(instants) - min(instants) > timedelta(days=days * 0.015)


def test_the_jitter_of_a_chain_is_always_the_same():
    assert due(state(90, DAY)) == due(state(90, DAY))


def test_the_ca_s_suggestion_wins():
    at = NOW + 3 * DAY
    found = due(suggestion(state(90, DAY), at))
    assert (found.at, found.reason) == (at, "when the CA suggests it")


def test_the_ca_may_suggest_to_renew_at_once():
    found = due(suggestion(state(90, DAY), NOW - timedelta(hours=1)))
    assert found.at < NOW
    assert found.reason.startswith("the CA suggests its renewal since")


@pytest.mark.parametrize(("days", "left"), [(90, 15), (48, 8), (8, 2)])
def test_the_ca_can_t_postpone_a_renewal_for_ever(days: int, left: int):
    found = due(suggestion(state(days, DAY), NOW + 365 * DAY))
    assert found.at == NOW - DAY + timedelta(days=days - left)


def test_it_is_said_that_a_renewal_can_t_wait():
    found = due(suggestion(state(90, 80 * DAY), NOW + 365 * DAY))
    assert found.at < NOW
    assert found.reason.startswith("its renewal can't wait as long as the CA suggests")


def test_what_the_ca_said_of_another_chain_does_not_count():
    asked = state(90, DAY)
    other = Watch(chain="b" * 64, renew_at=NOW)
    assert due(RequestState(chain=asked.chain, bound=asked.bound, order=None, root=None, watch=other)) == due(asked)
