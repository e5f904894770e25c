"""Records for DNS on the page of a certificate that mail servers judge by them."""

from __future__ import annotations

from agent.model.kept_key import KeyRole
from agent.model.tlsa import TlsaRow
from agent.report.details import ChainDetails, RenewalDetails
from agent.report.rows import plain
from support.fakes.api import CHAIN, Browser, FakeApi, chain

OWNER = "_25._tcp.mail.example.com"


def row(key: KeyRole, published: bool | None) -> TlsaRow:
    return TlsaRow(
        module="mail",
        slot="default",
        owner=OWNER,
        record=f"3 1 1 {str(key) * 4}",
        key=key,
        published=published,
        chain=CHAIN.id,
    )


def page(agent: FakeApi, browser: Browser, *rows: TlsaRow) -> str:
    renewal = RenewalDetails(None, None, None, None, "", None, ())
    details = ChainDetails(chain(used_by=()), (), (), renewal, (), (), rows)
    agent.says(f"GET /v1/chains/{CHAIN.id}", plain(details))
    return browser.get(f"/certificates/{CHAIN.id}").text


def test_the_records_of_both_keys_are_shown(agent: FakeApi, browser: Browser):
    text = page(agent, browser, row(KeyRole.PRESENT, True), row(KeyRole.NEXT, False))
    assert f"{OWNER}. IN TLSA 3 1 1 presentpresent" in text
    assert f"{OWNER}. IN TLSA 3 1 1 nextnext" in text
    assert "Next key</strong> &middot; not in DNS" in text


def test_a_certificate_that_nobody_judges_by_records_has_none(agent: FakeApi, browser: Browser):
    assert "DANE" not in page(agent, browser)
