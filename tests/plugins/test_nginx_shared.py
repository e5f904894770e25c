"""The reverse proxy, the login page and somebody else's module on one nginx."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest

from agent.errors.settings import SettingsRefused
from agent.model.deployment import Outcome, RefusedKind
from agent.operations.uploads import delete_upload, store_upload
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.rendering.template_places import built_in_directory
from support.appliances.proxied import INCLUDED, OWN, SITES, Proxied
from support.appliances.staged import http
from support.clients.http import status_of
from support.clients.portal import DOMAIN, ask, ask_plainly
from support.paths import THIRD_PARTY
from support.ports import free_port
from support.told import told
from support.toml import table

STATUS_PAGE = THIRD_PARTY / "status_page"
MODULES = ("reverse_proxy", "web_auth")
WITH_CA = 'sources = ["uploaded", "acme", "local"]'
OFFLINE = table("acme", {"directory": "https://127.0.0.1:9/directory", "resolvers": ["127.0.0.1:9"]})
"""Nobody listens at the CA."""
PATH = "/.well-known/acme-challenge/tok-en_1"


def portal_table(box: Proxied, **more: object) -> str:
    where = {"listen": f"127.0.0.1:{box.port}", "listen_http": f"127.0.0.1:{box.http_port}"}
    values = {"domain": DOMAIN, "upstream": "http://127.0.0.1:9", "captive": True, **where, **more}
    return table("modules.web_auth", values)


def status_page_table(box: Proxied, **more: object) -> str:
    where = {"listen": f"127.0.0.1:{box.port}", "listen_http": []}
    return table("modules.status_page", {"domain": "status.example.test", **where, **more})


def install_status_page(box: Proxied) -> None:
    shutil.copytree(STATUS_PAGE, box.layout.plugins, dirs_exist_ok=True)


def bring_up(box: Proxied) -> None:
    box.bring_up()
    assert box.deployment("web_auth").outcome is Outcome.LIVE
    box.runner.ran.clear()


@pytest.fixture
def both() -> Iterator[Proxied]:
    """Three sites and the login page on the same addresses. The workers are who the defaults say."""
    with Proxied.make() as box:
        box.configure(more=portal_table(box))
        bring_up(box)
        yield box


def bound(box: Proxied) -> dict[str, str]:
    """Return the chain of each name."""
    return {**box.chains(), DOMAIN: box.chains("web_auth")["default"]}


def assert_served(box: Proxied) -> None:
    chains = bound(box)
    assert {name: box.seen(name)[0] for name in chains} == chains
    assert all(box.deployment(module).outcome is Outcome.LIVE for module in MODULES)


def commands(box: Proxied) -> tuple[int, int]:
    """Return how many tests and reloads there were."""
    counted = box.runner.count(" -t "), box.runner.count("SIGHUP")
    box.runner.ran.clear()
    return counted


def bought(box: Proxied, *names: str) -> Chain:
    """A chain of somebody else's CA."""
    now = box.clock()
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    return root.issue(names, KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=365))


# One test, one reload


def test_one_nginx_serves_both_modules_on_the_same_addresses(both):
    assert_served(both)
    assert ask(both.port).status == 200
    assert both.seen("unknown.example.test")[0] == ""
    assert both.seen("")[0] == ""


def test_one_uploaded_wildcard_serves_both_after_one_reload_and_its_deletion_brings_back_the_ladder(both):
    local = bound(both)
    chain = bought(both, "*.example.test")
    both.change(store_upload, chain)
    both.apply()
    assert commands(both) == (1, 1)
    assert set(bound(both).values()) == {chain.id}
    assert_served(both)
    both.change(delete_upload, chain.id, confirmed=True)
    both.apply()
    assert commands(both) == (1, 1)
    assert chain.id not in bound(both).values()
    assert bound(both).keys() == local.keys()
    assert_served(both)


def test_all_chains_of_both_are_renewed_with_one_reload(both):
    before = bound(both)
    both.renew()
    both.apply()
    assert commands(both) == (1, 1)
    assert set(before.values()).isdisjoint(bound(both).values())
    assert_served(both)


def test_a_change_of_one_leaves_the_other_s_generation_alone(both):
    generation = both.live("reverse_proxy")
    both.configure(more=portal_table(both) + '[modules.web_auth.texts]\ntitle = "Welcome"\n')
    both.apply()
    assert commands(both) == (1, 1)
    assert both.live("reverse_proxy") == generation
    assert "<h1>Welcome</h1>" in ask(both.port).body


def test_a_portal_that_goes_leaves_the_sites(both):
    both.configure(more="")
    both.apply()
    both.assert_served(*SITES)
    assert not list(both.layout.module("web_auth").state.glob("**/*.pem"))


# The ladder


def reason(box: Proxied) -> str:
    with box.store() as store:
        return next(each.reason for each in store.modules.bindings() if each.module == "web_auth")


def test_without_a_ca_the_local_chain_is_by_design(both):
    both.configure(more=portal_table(both, domain="portal.example.com"))
    both.apply()
    assert reason(both) == "local by design: no other source is configured"


def test_a_domain_that_is_not_public_is_local_by_design_though_there_is_a_ca(both):
    both.configure(top=WITH_CA, more=portal_table(both))
    both.apply()
    assert reason(both) == f"local by design: acme: {DOMAIN} is no public name"


def test_offline_the_local_chain_is_in_service_at_once_and_the_reason_is_shown(both):
    both.configure(top=WITH_CA, sites=(), more=OFFLINE + portal_table(both, domain="portal.example.com"))
    both.apply(timeout=30)
    assert both.deployment("web_auth").outcome is Outcome.LIVE
    assert both.seen("portal.example.com") == (both.chains("web_auth")["default"], "0 (ok)")
    assert reason(both).startswith("local until acme delivers: ")


# Faults


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("http.conf.j2", "wrong on purpose;\n"),
        ("portal.conf.j2", "{% if %}\n"),
        ("default.conf.j2", "wrong on purpose;\n"),
    ],
)
def test_a_template_of_one_that_is_refused_does_not_stop_the_chains_of_the_other(both, name, text):
    override = both.override(f"web_auth/{name}", text)
    before = bound(both)
    both.renew()
    both.apply()
    assert set(before.values()).isdisjoint(bound(both).values())
    assert {each: both.seen(each)[0] for each in bound(both)} == bound(both)
    assert both.deployment("reverse_proxy").outcome is Outcome.LIVE
    assert {(each.module, each.kind) for each in both.refusals()} == {("web_auth", RefusedKind.CONFIGURATION)}
    override.unlink()
    both.apply()
    assert both.refusals() == []
    assert_served(both)


def test_a_template_of_all_modules_that_is_refused_keeps_what_is_served(both):
    before = bound(both)
    both.override("nginx/modules/tls.conf.j2", "wrong on purpose;\n")
    both.apply()
    assert bound(both) == before
    assert {each: both.seen(each)[0] for each in before} == before
    assert {each.module for each in both.refusals()} == set(MODULES)


def test_a_page_that_nginx_can_not_find_behind_a_good_handshake_is_not_believed(both):
    text = (built_in_directory() / "web_auth/portal.conf.j2").read_text()
    override = both.override("web_auth/portal.conf.j2", text.replace("{{ dir }}/page", "{{ dir }}/pages"))
    generation = both.live("web_auth")
    both.apply()
    deployment = both.deployment("web_auth")
    assert deployment.outcome is Outcome.ROLLED_BACK
    assert deployment.problem is not None
    assert "GET / is answered with 404" in deployment.problem.cause
    assert both.live("web_auth") == generation
    assert ask(both.port).status == 200
    override.unlink()
    both.apply()
    assert_served(both)


@pytest.mark.root
def test_the_login_page_is_in_service_with_the_first_apply_and_no_more_settings_than_it_must_have():
    with Proxied.make(service={"main": "own", "manager": "commands", "start": True}, sites=()) as box:
        box.configure(more=portal_table(box))
        box.apply()
        deployment = box.deployment("web_auth")
        assert deployment.outcome is Outcome.LIVE, deployment.problem
        assert ask(box.port).status == 200


@pytest.mark.root
def test_workers_that_may_not_read_the_page_are_named_before_anything_is_switched():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure(more=portal_table(box, workers_group="games"))
        box.apply()
        (refusal,) = box.refusals()
        assert (refusal.module, refusal.slot) == ("web_auth", "default")
        assert refusal.problem.cause == (
            "plugins.web_auth.check_group failed: nginx's workers run as www-data, who isn't in the group games that may "
            "read the page: set workers_group in [modules.web_auth] to a group of www-data, or user in [services.nginx] "
            "to a user of games."
        )
        box.assert_served(*SITES)  # nobody else waits for it
        box.configure(more=portal_table(box))
        box.apply()
        assert_served(box)


@pytest.mark.root
def test_a_group_that_may_not_read_the_page_changes_nothing_of_the_one_in_service(both):
    both.configure(more=portal_table(both, workers_group="games"))
    both.apply()
    assert both.deployment("web_auth").outcome is Outcome.REFUSED
    assert ask(both.port).status == 200


@pytest.mark.root
def test_an_administrators_nginx_whose_workers_may_not_read_the_page_is_not_believed():
    with Proxied.make(service=INCLUDED, probe_timeout=1) as box:
        box.write_main_file()  # it names no user: nginx's own default
        box.configure(more=portal_table(box))
        box.bring_up()
        deployment = box.deployment("web_auth")
        assert deployment.outcome is Outcome.BROKEN
        assert deployment.problem is not None
        assert (
            "GET / is answered with 404, as it is where nginx's workers aren't in the group www-data, "
            "which may read the page." in deployment.problem.cause
        )


# Plain HTTP


def test_sites_keep_their_redirect_and_every_other_name_is_sent_to_the_page(both):
    assert ask_plainly(both.http_port, "/x", host=SITES[0]).headers["location"] == f"https://{SITES[0]}:{both.port}/x"
    for host in (DOMAIN, "captive.example.com", None):
        answer = ask_plainly(both.http_port, "/x", host=host)
        assert (answer.status, answer.headers["location"]) == (302, f"https://{DOMAIN}:{both.port}/")


@pytest.mark.parametrize("host", [SITES[0], DOMAIN, "other.example.com"])
def test_http_01_is_answered_for_both_and_for_names_of_neither(both, host):
    (both.layout.webroot / "tok-en_1").write_text("tok-en_1.thumb")
    assert ask_plainly(both.http_port, PATH, host=host).body == "tok-en_1.thumb"


# An administrator's nginx


def test_an_administrator_s_default_site_may_stay_on_the_same_port():
    with Proxied.make(service=dict(INCLUDED)) as box:
        main = box.write_main_file()
        site = f'server {{ listen 127.0.0.1:{box.http_port} default_server; server_name _; return 200 "theirs\\n"; }}\n'
        main.write_text(main.read_text().replace("events {", "user www-data;\nevents {"))
        (main.parent / "conf.d/default.conf").write_text(site)
        box.configure(more=portal_table(box))
        bring_up(box)
        assert_served(box)
        assert ask_plainly(box.http_port, host="captive.example.com").status == 302


# Somebody else's module


def test_somebody_else_s_module_for_nginx_is_under_fifty_lines():
    assert len((STATUS_PAGE / "status_page.py").read_text().splitlines()) < 50


def test_somebody_else_s_module_shares_the_same_address(both):
    install_status_page(both)
    both.configure(more=portal_table(both) + status_page_table(both))
    both.apply()
    assert commands(both) == (1, 1)
    assert both.deployment("status_page").outcome is Outcome.LIVE
    assert ask(both.port, host="status.example.test").body == "well\n"
    assert_served(both)
    generation = both.live("reverse_proxy")
    both.renew()
    both.apply()
    assert commands(both) == (1, 1)
    assert both.live("reverse_proxy") != generation
    assert both.seen("status.example.test")[0] == both.chains("status_page")["default"]


def test_alone_it_is_served_by_its_name_only():
    with Proxied.make(module={"enabled": False}, sites=()) as box:
        install_status_page(box)
        box.configure(more=status_page_table(box))
        box.apply()
        box.start_service()
        box.apply()
        assert box.deployment("status_page").outcome is Outcome.LIVE
        assert box.seen("status.example.test") == (box.chains("status_page")["default"], "0 (ok)")
        assert box.seen("unknown.example.test")[0] == ""


def test_a_module_whose_name_comes_first_does_not_become_the_default(both):
    """nginx's default server is the first one of a socket, and modules are included in order of their names."""
    install_status_page(both)
    early = status_page_table(both).replace("[modules.status_page]", '[modules.aaa]\nplugin = "status_page"')
    both.configure(more=portal_table(both) + early)
    both.apply()
    assert both.deployment("aaa").outcome is Outcome.LIVE
    assert both.seen("unknown.example.test")[0] == ""
    assert status_of_unknown_host(both) == 421


def status_of_unknown_host(box: Proxied) -> int:
    with box.connect(SITES[0]) as stream:
        return status_of(http(stream, "/", "unknown.example.test"))


def test_a_site_with_an_address_answers_clients_without_a_name_beside_the_portal(both):
    both.configure(sites=(*SITES, "127.0.0.1"))
    both.apply()
    assert all(both.deployment(module).outcome is Outcome.LIVE for module in MODULES)
    assert both.seen(DOMAIN)[0] == bound(both)[DOMAIN]
    assert both.seen("unknown.example.test")[0] == ""
    assert status_of_unknown_host(both) == 421


# Settings that contradict each other


def refusal(box: Proxied, more: str) -> str:
    box.configure(more=more)
    with pytest.raises(SettingsRefused) as caught:
        box.apply()
    return str(caught.value).replace(str(box.root), "ROOT")


def test_a_name_that_two_modules_have_is_refused_and_both_are_named(both):
    message = refusal(both, portal_table(both, domain=SITES[1]))
    assert (
        f'[modules.web_auth]: the module "reverse_proxy" answers {SITES[1]} at 127.0.0.1:{both.port} as well; leave that to '
        "one of them"
    ) in message
    assert ask(both.port).status == 200


def test_one_port_can_not_be_https_of_one_module_and_plain_http_of_another(both):
    message = refusal(
        both, portal_table(both, listen_http=f"127.0.0.1:{both.port}", listen=f"127.0.0.1:{both.http_port}")
    )
    assert (
        f'[modules.web_auth]: serves HTTPS at 127.0.0.1:{both.http_port}, where the module "reverse_proxy" serves plain '
        "HTTP; change one of the two addresses"
    ) in message


def test_two_portals_can_not_both_answer_every_name(both):
    other = portal_table(both, domain="guest.example.test")
    message = refusal(
        both, portal_table(both) + other.replace("[modules.web_auth]", '[modules.guest]\nplugin = "web_auth"')
    )
    assert f'[modules.web_auth]: the module "guest" answers every name at 127.0.0.1:{both.http_port} as well' in message


def test_two_modules_can_not_both_answer_clients_that_send_no_name(both):
    both.configure(sites=(*SITES, "127.0.0.1"))
    other = f'[modules.other]\nplugin = "reverse_proxy"\nlisten = "127.0.0.1:{both.port}"\nlisten_http = []\n'
    other += table("[modules.other.sites]", {"domains": ["192.0.2.1"], "upstream": "http://127.0.0.1:9"})
    message = refusal(both, portal_table(both) + other)
    assert f'the module "other" answers clients that send no name at 127.0.0.1:{both.port} as well' in message


def test_the_same_name_on_another_address_is_no_contradiction(both):
    other = free_port()
    both.configure(more=portal_table(both, domain=SITES[1], listen=f"127.0.0.1:{other}"))
    both.apply()
    assert both.deployment("web_auth").outcome is Outcome.LIVE
    assert ask(other, host=SITES[1]).status == 200
    both.assert_served(*SITES)


def test_a_module_that_raises_while_its_service_compares_it_costs_itself_only(both):
    install_status_page(both)
    source = both.layout.plugins / "status_page.py"
    source.write_text(source.read_text().replace("return [self.domain]", "return 1 / 0"))
    both.configure(more=portal_table(both) + status_page_table(both))
    both.apply()
    (found,) = (each["problem"] for each in told(both) if each["problem"]["code"] == "plugin.module_raised")
    line = source.read_text().splitlines().index("        return 1 / 0") + 1
    assert found["where"] == f"status_page ({source}:{line})"
    assert found["cause"] == "The plugin failed in contradictions: ZeroDivisionError: division by zero."
    both.assert_served(*SITES)
    assert ask(both.port, host=DOMAIN).status == 200
    assert both.deployment("web_auth").outcome is Outcome.LIVE  # it got its table with the one that is broken
