"""One wildcard chain for every module, because the settings prefer it: on real daemons."""

from collections.abc import Iterator

import pytest
from test_nginx_shared import bought, portal_table

from agent.operations.uploads import delete_upload, store_upload
from support.appliances.mailed import LISTENERS, Mailed
from support.appliances.proxied import Proxied
from support.clients.portal import DOMAIN
from support.ports import free_port
from support.toml import table

PREFERRED = 'wildcards = ["*.example.test", "example.test"]\n'


@pytest.fixture
def shared() -> Iterator[Proxied]:
    """Three sites, the login page and the web interface's module, whose process nobody starts."""
    with Proxied.make() as box:
        webui = {"domain": "gw.example.test", "listen": f"127.0.0.1:{free_port()}"}
        box.configure(top=PREFERRED, more=portal_table(box) + table("modules.webui", webui))
        box.bring_up()
        yield box


def chains(box: Proxied) -> dict[str, str]:
    portal, webui = box.chains("web_auth")["default"], box.chains("webui")["name"]
    return {**box.chains(), DOMAIN: portal, "gw.example.test": webui}


def names_of(box: Proxied, chain: str) -> tuple[str, ...]:
    with box.store() as store:
        return next(record.names for record in store.chains.records() if record.id == chain)


def test_sites_and_login_page_and_web_interface_serve_one_local_chain_with_the_apex(shared):
    (chain,) = set(chains(shared).values())
    assert set(names_of(shared, chain)) == {"*.example.test", "example.test"}
    for name in [*shared.chains(), DOMAIN]:
        assert shared.seen(name)[0] == chain
    assert shared.seen("unknown.example.test")[0] == "", (
        "a name that no module has is refused, whatever the chain covers"
    )


def test_an_uploaded_wildcard_serves_all_and_its_deletion_brings_the_local_one_back(shared):
    local = chains(shared)
    exact, wild = bought(shared, "a.example.test"), bought(shared, "*.example.test", "example.test")
    for chain in (exact, wild):
        shared.change(store_upload, chain)
    shared.apply()
    assert set(chains(shared).values()) == {wild.id}
    assert shared.seen("a.example.test")[0] == wild.id
    for chain in (exact, wild):
        shared.change(delete_upload, chain.id, confirmed=True)
    shared.apply()
    assert chains(shared) == local


def test_without_the_setting_each_name_gets_its_own_again(shared):
    shared.configure(top="", more=portal_table(shared))
    shared.apply()
    assert len({*shared.chains().values(), *shared.chains("web_auth").values()}) == 4
    shared.assert_served(*shared.chains())


@pytest.mark.root
def test_mail_serves_the_wildcard_under_its_own_name_and_under_others():
    with Mailed.make(
        hostname="mail.b.test", domains=["imap.b.test", "mx.c.test"], module={"wildcards": ["*.b.test"]}
    ) as box:
        box.configure()
        box.bring_up()
        bound = box.chains()
        assert bound["default"] == bound["imap.b.test"] != bound["mx.c.test"]
        for door in LISTENERS:
            seen = {name: box.leaf(door, name) for name in ("mail.b.test", "imap.b.test", "mx.c.test")}
            assert list(seen.values()) == list(bound.values())
