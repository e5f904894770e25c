"""Lists that an upload names: who uploads chooses the addresses, and learns nothing of what is at them."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from cryptography import x509

from agent.crl import RevocationLists, RevocationStatus, check_revocation
from agent.crl.fetching import fetch
from agent.errors.crl import CrlError, CrlNotPublic, CrlRefused, CrlUnreachable
from agent.pki.chain import Chain
from support.cas import certificates as toy_ca
from support.cas import crls
from support.ports import free_port

NOW, DAY = toy_ca.NOW, toy_ca.DAY


class Never(random.Random):
    """A chance by which lists are fetched no earlier than they have to be."""

    def random(self) -> float:
        return 0.0


@pytest.fixture
def web() -> Iterator[crls.WebServer]:
    with crls.WebServer() as server:
        yield server


@pytest.fixture(scope="module")
def ca() -> toy_ca.Party:
    return toy_ca.root()


def chain_of(ca: toy_ca.Party, *urls: str, apart: bool = False) -> Chain:
    """Return a chain that names lists: copies of one, or `apart` one for each reason."""
    reasons = [each for each in x509.ReasonFlags if each.name not in {"unspecified", "remove_from_crl"}]
    points = [
        x509.DistributionPoint(
            [x509.UniformResourceIdentifier(url)], None, frozenset({reasons[number]}) if apart else None, None
        )
        for number, url in enumerate(urls)
    ]
    leaf = ca.leaf("www.example.com", extensions=[x509.CRLDistributionPoints(points)])
    return Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(), anchor=ca.certificate)


def failure(chain: Chain, lists: RevocationLists | None = None, *, private: bool = True) -> CrlError:
    with pytest.raises(CrlError) as caught:
        check_revocation(chain, NOW, lists, of_upload=True, private=private)
    return caught.value


def test_an_address_that_is_not_of_the_internet_is_not_asked(web: crls.WebServer, ca: toy_ca.Party) -> None:
    web.pages["/1.crl"] = crls.crl(ca)
    url = web.url("/1.crl")
    error = failure(chain_of(ca, url), private=False)
    assert isinstance(error, CrlNotPublic)
    assert str(error) == (
        f'CRL: Whether a chain was revoked is not known: the CA\'s list at "{url}" was not fetched, as its address is not one of '
        "the Internet.\nThe chain stays in service. If it is a CA of yours, write in the settings: [fetch] private = true"
    )
    assert web.requests == []
    expected = RevocationStatus(None, "", NOW + DAY)
    lists = RevocationLists(chance=Never())
    assert check_revocation(chain_of(ca, url), NOW, lists, of_upload=True, private=True) == expected


def test_what_was_refused_to_an_upload_is_fetched_for_a_chain_of_a_ca(web: crls.WebServer, ca: toy_ca.Party) -> None:
    web.pages["/1.crl"] = crls.crl(ca)
    lists = RevocationLists()
    chain = chain_of(ca, web.url("/1.crl"))
    failure(chain, lists, private=False)
    assert check_revocation(chain, NOW, lists).revoked_at is None
    assert web.paths == ["/1.crl"]


def hang_up(request) -> None:  # type: ignore[no-untyped-def]
    request.close_connection = True


def secret(request) -> None:  # type: ignore[no-untyped-def]
    request.wfile.write(b"220 secret.internal ESMTP\r\n")


@pytest.mark.parametrize(
    "page",
    [200, 403, 404, 500, b"the secret of an internal service", hang_up, secret, bytes(2 * 1024**2), None],
    ids=["empty", "403", "404", "500", "no list", "hangs up", "no HTTP", "too large", "nobody listens"],
)
def test_whatever_a_server_answers_the_same_is_told(
    web: crls.WebServer, ca: toy_ca.Party, page: crls.Page | None
) -> None:
    url = web.url("/1.crl")
    if page is None:
        url = f"http://127.0.0.1:{free_port()}/1.crl"
    else:
        web.pages["/1.crl"] = page
    error = failure(chain_of(ca, url), RevocationLists(get=partial(fetch, largest=1024**2)))
    assert type(error) is CrlUnreachable
    assert error.problem.cause == (
        f"Whether a chain was revoked is not known: the CA's list can't be fetched from \"{url}\": it is not available."
    )
    assert error.problem.detail == ""


def test_a_list_of_another_ca_is_told_as_nothing_either(web: crls.WebServer, ca: toy_ca.Party) -> None:
    web.pages["/1.crl"] = crls.crl(toy_ca.root())
    error = failure(chain_of(ca, web.url("/1.crl")))
    assert type(error) is CrlUnreachable
    assert error.problem.cause.endswith(": it is not available.")


def test_what_is_wrong_with_the_ca_s_own_list_is_told(web: crls.WebServer, ca: toy_ca.Party) -> None:
    web.pages["/1.crl"] = crls.crl(ca, now=NOW - 9 * DAY)
    error = failure(chain_of(ca, web.url("/1.crl")))
    assert type(error) is CrlRefused
    assert "it expired at" in error.problem.cause


@pytest.mark.parametrize("apart", [False, True], ids=["copies", "several lists"])
def test_at_most_five_addresses_are_asked_for_a_chain(web: crls.WebServer, ca: toy_ca.Party, apart: bool) -> None:
    urls = [web.url(f"/{number}.crl") for number in range(7)]
    error = failure(chain_of(ca, *urls, apart=apart))
    assert '"' + urls[0] + '"' in error.problem.cause
    assert web.paths == [f"/{number}.crl" for number in range(5)]


def test_all_lists_of_a_chain_share_one_deadline(web: crls.WebServer, ca: toy_ca.Party) -> None:
    let_go = threading.Event()

    def hang(request) -> None:  # type: ignore[no-untyped-def]
        let_go.wait(30)

    web.pages |= {f"/{number}.crl": hang for number in range(5)}
    urls = [web.url(f"/{number}.crl") for number in range(5)]
    error = failure(chain_of(ca, *urls, apart=True), RevocationLists(seconds=0.4))
    let_go.set()
    assert error.problem.cause.endswith(": it is not available.")
    assert web.paths[1:] == [], "there was no time left for the others"
