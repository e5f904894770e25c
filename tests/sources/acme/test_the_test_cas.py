"""The CAs that the other tests ask come up and do what they are told."""

import dns.message
import dns.query
import pytest
import requests

from support.cas.challtestsrv import OLD
from support.cas.pebble import THREE_PROFILES
from support.waiting import until


def directory_of(ca) -> dict[str, object]:
    answer = requests.get(ca.directory_url, verify=str(getattr(ca, "trust_file", True)), timeout=20)
    answer.raise_for_status()
    return answer.json()


def test_pebble_answers_its_directory_with_renewal_information_and_one_profile(pebble):
    directory = directory_of(pebble)
    assert "renewalInfo" in directory
    assert list(directory["meta"]["profiles"]) == ["classic"]


def test_the_old_pebble_knows_neither_renewal_information_nor_profiles(old_pebble):
    directory = directory_of(old_pebble)
    assert "newOrder" in directory
    assert "renewalInfo" not in directory


def test_a_pebble_has_the_options_that_it_was_given(pebble_with):
    ca = pebble_with(
        profiles=THREE_PROFILES, eab={"kid": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
    )
    assert directory_of(ca)["meta"]["externalAccountRequired"] is True
    assert set(directory_of(ca)["meta"]["profiles"]) == set(THREE_PROFILES)


@pytest.mark.parametrize("programs", [{}, {"programs": OLD}], ids=["new", "old"])
def test_alternate_roots_are_known_by_the_management(pebble_with, programs):
    ca = pebble_with(alternate_roots=2, **programs)
    assert len(set(ca.roots())) == 3
    assert all("BEGIN CERTIFICATE" in each for each in ca.intermediates())


def test_a_pebble_that_was_stopped_starts_again_where_it_was(pebble_with):
    ca = pebble_with()
    root = ca.roots()
    ca.stop()
    with pytest.raises(requests.ConnectionError):
        directory_of(ca)
    ca.start()
    assert "newOrder" in directory_of(ca)
    assert ca.roots() != root, "its state is in memory"


def test_requests_are_counted_from_the_mark(pebble):
    directory_of(pebble)
    assert pebble.requests() == ["GET /dir"]
    pebble.mark()
    assert pebble.requests("/dir") == []


@pytest.mark.parametrize("ask", [dns.query.udp, dns.query.tcp])
def test_every_name_resolves_to_this_machine_unless_told_otherwise(pebble, ask):
    def addresses(name, kind="A"):
        answer = ask(dns.message.make_query(name, kind), "127.0.0.1", port=pebble.dns.port, timeout=20)
        return [item.to_text() for rrset in answer.answer for item in rrset]

    name = f"elsewhere.{ask.__name__}.example.test"
    assert (addresses(name), addresses(name, "AAAA")) == (["127.0.0.1"], [])
    pebble.dns.add_a(name, "127.0.0.9")
    pebble.dns.add_caa(name, ("issue", "other.example"))
    assert (addresses(name), addresses(name, "CAA")) == (["127.0.0.9"], ['0 issue "other.example"'])


def test_pebble_s_own_server_answers_challenges_where_a_test_wants_it(pebble_with):
    ca = pebble_with(answers=True)
    ca.dns.answer("token", "token.thumbprint")
    url = f"http://127.0.0.1:{ca.http_port}/.well-known/acme-challenge/token"
    assert requests.get(url, timeout=20).text == "token.thumbprint"


def test_acme2certifier_answers_its_directory_with_renewal_information(acme2certifier):
    directory = directory_of(acme2certifier)
    assert {"newOrder", "renewalInfo"} <= set(directory)
    until(lambda: acme2certifier.requests() == ["GET /directory"])


def test_an_acme2certifier_has_the_options_that_it_was_given(acme2certifier_with):
    options = {
        "profiles": {"inside": "http://127.0.0.1/inside"},
        "eab": {"kid": "aGVsbG8gd29ybGQsIGhlbGxvIHdvcmxkLCBoZWxsbw"},
    }
    meta = directory_of(acme2certifier_with(**options))["meta"]
    assert meta["externalAccountRequired"] is True
    assert meta["profiles"] == options["profiles"]
