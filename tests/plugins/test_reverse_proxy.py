"""The reverse proxy as data: settings, needs, files, endpoints."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.contract.context import DIRECTORY_MARK, ModulePart, ServiceContext
from agent.rendering.render import entry_of, filled_in
from agent.rendering.templates import Templates, search_path
from agent.system.layout import Layout
from chainwright import Endpoint, HostFacts, KeyType, Nginx
from plugins.nginx.generation import generation_socket
from plugins.reverse_proxy import ReverseProxy
from support import golden
from support.appliances.nginx import NginxAppliance

HOST = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))
UPSTREAM = "http://10.0.0.5:8080"


def site(*domains: str, **more) -> dict:
    return {"domains": domains, "upstream": UPSTREAM, **more}


def proxy(*sites: dict, **more) -> ReverseProxy:
    return ReverseProxy(sites=sites, **more)


def refusal(*sites: dict, **more) -> str:
    with pytest.raises(ValidationError) as caught:
        proxy(*sites, **more)
    return " ".join(error["msg"] for error in caught.value.errors())


def names_by_slot(module: ReverseProxy, *failing: str) -> dict[str, tuple[str, ...]]:
    return {need.slot: need.names for need in module.declare_needs(host_with(*failing))}


def host_with(*failing: str) -> HostFacts:
    return HostFacts(name=HOST.name, addresses=HOST.addresses, failing=failing)


def test_a_site_is_called_by_its_first_domain():
    module = proxy(site("a.example.com", "b.example.com"), site("*.c.example.com"), site("2001:db8::1"))
    assert names_by_slot(module) == {
        "a.example.com": ("a.example.com", "b.example.com"),
        "_wildcard.c.example.com": ("*.c.example.com",),
        "ip6-2001-db8--1": ("2001:db8::1",),
    }


def test_a_site_is_called_by_its_name_if_it_has_one():
    assert names_by_slot(proxy(site("a.example.com", name="shop"))) == {"shop": ("a.example.com",)}


def test_a_name_that_is_too_long_for_a_slot_is_shortened_without_clashes():
    names = [f"{letter}.{'x' * 60}.{'y' * 60}.example.com" for letter in "ab"]
    slots = list(names_by_slot(proxy(*map(site, names))))
    assert len(set(slots)) == 2
    assert all(len(slot) <= 112 for slot in slots)


def test_public_and_local_names_of_one_site_become_two_needs():
    module = proxy(site("10.0.0.1", "a.example.com", "gw.lan", name="shop"))
    assert names_by_slot(module) == {"shop": ("a.example.com",), "shop.local": ("10.0.0.1", "gw.lan")}


def test_a_public_address_is_not_mixed_with_public_names():
    assert names_by_slot(proxy(site("a.example.com", "8.8.8.8"))) == {
        "a.example.com": ("a.example.com",),
        "a.example.com.local": ("8.8.8.8",),
    }


def test_a_site_may_differ_from_its_module_in_key_type_sources_and_pin():
    module = proxy(
        site("a.example.com", key_type="rsa-2048", sources=["local"], pin="old"), site("b.example.com"), pin="new"
    )
    first, second = module.declare_needs(HOST)
    assert (first.key_types[0], first.sources, first.pin) == (KeyType.RSA_2048, ("local",), "old")
    assert (second.key_types[0], second.sources, second.pin) == (KeyType.ECDSA_P256, None, "new")
    assert sorted(first.key_types) == sorted(second.key_types)


def test_a_domain_of_two_sites_is_refused_with_both_names():
    assert (
        'the sites "a.example.com" and "b.example.com" both have the domain x.example.com; leave it in one'
        in refusal(site("a.example.com", "x.example.com"), site("b.example.com", "X.example.com."))
    )


def test_a_domain_twice_in_one_site_counts_once():
    assert names_by_slot(proxy(site("a.example.com", "A.example.com"))) == {"a.example.com": ("a.example.com",)}


def test_two_sites_of_one_name_are_refused():
    sites = site("a.example.com", name="shop"), site("b.example.com", name="shop")
    assert 'two sites are called "shop"; give one of them another name' in refusal(*sites)


def test_the_second_slot_of_a_site_may_not_take_the_name_of_another_site():
    sites = site("a.example.com", "gw", name="shop"), site("b.example.com", name="shop.local")
    assert 'two sites are called "shop.local"' in refusal(*sites)


def test_two_sites_with_addresses_are_refused_because_clients_send_no_name():
    message = refusal(site("10.0.0.1"), site("10.0.0.2"))
    assert 'the sites "10.0.0.1" and "10.0.0.2" both have an IP address' in message
    assert "so only one site can answer them" in message


# Names that a CA could not validate


def test_names_that_fail_have_a_slot_of_their_own_and_the_others_keep_theirs():
    module = proxy(site("a.example.com", "b.example.com", "c.example.com", name="shop"), site("d.example.com"))
    assert names_by_slot(module, "a.example.com", "c.example.com") == {
        "shop": ("b.example.com",),
        "shop.failing": ("a.example.com", "c.example.com"),
        "d.example.com": ("d.example.com",),
    }


def test_a_site_is_whole_again_with_its_old_slot_and_request_when_its_names_pass():
    module = proxy(site("a.example.com", "b.example.com"))
    (before,) = module.declare_needs(HOST)
    split = module.declare_needs(host_with("a.example.com"))
    (after,) = module.declare_needs(HOST)
    assert after == before
    assert len({before.request, *(need.request for need in split)}) == 3


def test_a_site_all_of_whose_public_names_fail_is_not_split():
    module = proxy(site("a.example.com", "b.example.com", "gw.lan"))
    assert names_by_slot(module, "a.example.com", "b.example.com") == names_by_slot(module)


def test_local_names_addresses_and_names_of_nobody_fail_without_any_change():
    module = proxy(site("a.example.com", "gw.lan", "192.0.2.1"), site("*.b.example.com", "b.example.com"))
    assert names_by_slot(module, "gw.lan", "192.0.2.1", "www.b.example.com") == names_by_slot(module)


def test_what_a_site_says_of_its_chain_holds_for_the_names_that_fail_too():
    module = proxy(site("a.example.com", "b.example.com", key_type="rsa-2048", sources=["local"], pin="old"))
    one, other = module.declare_needs(host_with("b.example.com"))
    assert (one.key_types, one.sources, one.pin) == (other.key_types, other.sources, other.pin)


def test_the_slot_of_names_that_fail_may_not_be_taken_by_another_site():
    sites = site("a.example.com", "b.example.com", name="shop"), site("c.example.com", name="shop.failing")
    assert 'two sites are called "shop.failing"' in refusal(*sites)
    assert proxy(site("a.example.com", name="shop"), sites[1])


NAMES = ("a.example.com", "b.example.com", "*.c.example.com", "gw.lan", "192.0.2.1", "8.8.8.8", "d.example.net")


@given(
    domains=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    failing=st.lists(st.sampled_from(NAMES), unique=True),
    second=st.sampled_from([None, "rsa-2048"]),
)
def test_whatever_fails_each_name_is_asked_for_once_a_key_type_and_none_that_passes_with_one_that_fails(
    domains, failing, second
):
    module = proxy(site(*domains, name="shop", second_key_type=second))
    needs = list(module.declare_needs(host_with(*failing)))
    for rsa in {need.key_types[0] is KeyType.RSA_2048 for need in needs}:
        mine = [need for need in needs if (need.key_types[0] is KeyType.RSA_2048) is rsa]
        assert sorted(name for need in mine for name in need.names) == sorted(domains)
        assert "shop" in {need.slot.removesuffix(".rsa") for need in mine}
        passing = [need for need in mine if set(need.names) & (set(PUBLIC) - set(failing))]
        assert not any(set(need.names) & set(failing) for need in passing)
    assert len({need.slot for need in needs}) == len(needs)


PUBLIC = ("a.example.com", "b.example.com", "*.c.example.com", "d.example.net")


def test_the_longest_name_of_a_site_has_room_for_all_its_slots():
    module = proxy(
        site("a.example.com", "b.example.com", "gw", name="x" * 112, key_type="rsa-2048", second_key_type="ed25519")
    )
    slots = list(names_by_slot(module, "b.example.com"))
    assert max(map(len, slots)) == 128
    assert len(set(slots)) == 6
    assert "at most 112" in refusal(site("a.example.com", name="x" * 113))


# Two key types


def test_a_second_key_type_is_a_second_slot_that_accepts_nothing_of_what_the_first_one_does():
    first, second = proxy(site("a.example.com", second_key_type="rsa-3072")).declare_needs(HOST)
    assert (first.slot, first.key_types) == (
        "a.example.com",
        (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ED25519),
    )
    assert (second.slot, second.key_types) == (
        "a.example.com.rsa",
        (KeyType.RSA_3072, KeyType.RSA_2048, KeyType.RSA_4096),
    )
    assert first.names == second.names


def test_rsa_may_be_the_first_of_two():
    first, second = proxy(site("a.example.com", key_type="rsa-2048", second_key_type="ecdsa-p384")).declare_needs(HOST)
    assert (first.slot, first.key_types[0]) == ("a.example.com", KeyType.RSA_2048)
    assert (second.slot, second.key_types[0]) == ("a.example.com.ecdsa", KeyType.ECDSA_P384)


def test_a_module_s_second_key_type_is_that_of_each_site_that_names_none():
    module = proxy(site("a.example.com"), site("b.example.com", second_key_type="rsa-4096"), second_key_type="rsa-2048")
    assert {need.slot: str(need.key_types[0]) for need in module.declare_needs(HOST)} == {
        "a.example.com": "ecdsa-p256",
        "a.example.com.rsa": "rsa-2048",
        "b.example.com": "ecdsa-p256",
        "b.example.com.rsa": "rsa-4096",
    }


@pytest.mark.parametrize(
    ("first", "second"), [("ecdsa-p256", "ecdsa-p384"), ("rsa-2048", "rsa-4096"), ("ecdsa-p256", "ed25519")]
)
def test_two_key_types_between_which_clients_can_not_choose_are_refused(first, second):
    assert (
        f'the site "a.example.com" has the key types {first} and {second}; of key_type and second_key_type one must be RSA'
        in refusal(site("a.example.com", second_key_type=second), key_type=first)
    )


def test_the_second_slot_may_not_be_taken_by_another_site():
    sites = site("a.example.com", name="shop", second_key_type="rsa-2048"), site("b.example.com", name="shop.rsa")
    assert 'two sites are called "shop.rsa"' in refusal(*sites)


def test_each_of_two_chains_is_looked_at_as_a_client_of_its_kind():
    module = proxy(site("a.example.com", second_key_type="rsa-2048"), site("b.example.com"))
    assert {each.slot: each.probe and each.probe.key_type for each in endpoints(module, HOST)} == {
        "a.example.com": KeyType.ECDSA_P256,
        "a.example.com.rsa": KeyType.RSA_2048,
        "b.example.com": None,
    }


def test_one_of_two_chains_that_is_alone_is_looked_at_as_any_client_does():
    module = proxy(site("a.example.com", second_key_type="rsa-2048"))
    with NginxAppliance.make() as box:
        context = box.context(module, "reverse_proxy")
        (only,) = module.probes(replace(context, chains={"a.example.com": context.chains["a.example.com"]}))
    assert (only.slot, only.probe) == ("a.example.com", None)


def test_browsers_are_not_told_to_insist_on_https_while_one_of_two_chains_is_local():
    module = proxy(site("a.example.com", second_key_type="rsa-2048"), hsts_days=1)
    with NginxAppliance.make(source="acme") as box:
        context = box.context(module, "reverse_proxy")
        local = replace(context.chains["a.example.com.rsa"], source="local")
        one_local = replace(context, chains={**context.chains, "a.example.com.rsa": local})
        texts = ["".join(box.rendering(module, each).texts.values()) for each in (context, one_local)]
    assert ["Strict-Transport-Security" in text for text in texts] == [True, False]


# What is refused


def test_one_address_may_not_be_listened_on_twice():
    assert "127.0.0.1:443 stands twice" in refusal(listen="127.0.0.1:443", listen_http=["127.0.0.1:443"])


@pytest.mark.parametrize("upstream", ["http://10.0.0.5/app", "http://10.0.0.5/app/?x=1", "http://10.0.0.5/?x"])
def test_an_upstream_with_half_a_path_or_a_query_is_refused(upstream):
    assert 'must end in "/" where it has a path' in refusal({"domains": ["a.example.com"], "upstream": upstream})


def test_a_site_without_domains_is_refused():
    assert "at least 1 item" in refusal(site())


def test_a_misspelt_setting_is_refused():
    assert "Extra inputs are not permitted" in refusal(site("a.example.com", upstraem=UPSTREAM))


EVIL = st.text(st.sampled_from("a.1:/ \t\n\r;{}\"'\\$#`%*é\x00"), min_size=1, max_size=12)
FIELDS = ["domains", "name", "upstream", "listen", "listen_http", "max_body_mb", "timeout", "hsts_days"]
BREAKING = re.compile(r"[\s;{}\"'\\$#`\x00]")


@pytest.mark.parametrize("field", FIELDS)
@given(text=EVIL)
def test_no_setting_that_is_printed_lets_a_directive_through(field, text):
    assume(BREAKING.search(text))
    values = {"domains": ["a.example.com"], "upstream": UPSTREAM}
    own = {"domains": [text], "name": text, "upstream": f"http://{text}"}
    more = {} if field in own else {field: text}
    try:
        module = proxy({**values, **({field: own[field]} if field in own else {})}, **more)
    except ValidationError:
        return
    assert not BREAKING.search(printed(module))


@given(text=EVIL, field=st.sampled_from(["unit", "user", "binary", "configuration", "include", "pid_file"]))
def test_no_setting_of_nginx_lets_a_directive_through(text, field):
    assume(BREAKING.search(text))
    for value in (text, f"/{text}"):
        with pytest.raises(ValidationError):
            Nginx(**{field: value})


def printed(module: ReverseProxy) -> str:
    """Return every value that the templates print, with nothing between them that could hide something."""
    values = [module.listen, module.listen_http, module.max_body_mb, module.timeout, module.hsts_days]
    parts = [str(each) for value in values for each in (value if isinstance(value, tuple) else (value,))]
    for server in module.servers(HOST):
        parts += [server.slot, *server.server_names, str(server.site.upstream)]
    return "".join(parts)


@pytest.mark.parametrize("thumbprint", [None, "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"])
def test_the_files_are_as_they_were_read(thumbprint):
    module = proxy(
        site("a.example.com", "www.a.example.com", "gw.lan", "192.0.2.1", "2001:db8::1"),
        site("*.b.example.com", redirect=False, max_body_mb=0, timeout=3600),
        site("c.example.com", upstream="https://backend.example.com/app/"),
        hsts_days=365,
        listen=["0.0.0.0:8443", "[::]:8443"],
        http2=False,
    )
    golden.compare(f"reverse_proxy/{'stateless' if thumbprint else 'webroot'}", rendered(module, thumbprint))


def test_a_site_that_is_split_and_has_two_key_types_is_as_it_was_read():
    module = proxy(
        site("a.example.com", "b.example.com", "gw.lan", second_key_type="rsa-2048"), hsts_days=365, listen_http=8080
    )
    files = rendered(module, None, host=host_with("b.example.com"))
    golden.compare("reverse_proxy/split", {path: text for path, text in files.items() if "/" in path})


def test_the_smallest_settings_render_what_was_read():
    golden.compare("reverse_proxy/smallest", rendered(proxy(site("a.example.com"), listen_http=[]), None, "local"))


def rendered(
    module: ReverseProxy, thumbprint: str | None, source: str = "acme", host: HostFacts = HOST
) -> dict[str, str]:
    with NginxAppliance.make(thumbprint=thumbprint, source=source, host=host) as box:
        context = box.context(module, "reverse_proxy")
        rendering = box.rendering(module, context)
        texts = {file.path: rendering.texts[file.text] for file in rendering.files if file.text}
        where = f"{context.places.state}/7"
        return {path: filled_in(text, where, 7).replace(str(box.root), "") for path, text in texts.items()}


@pytest.mark.parametrize("main", ["own", "include"])
def test_the_entry_is_as_it_was_read(main):
    service = Nginx(main=main, user="www-data")
    golden.compare(f"nginx/{main}", entry_files(service))


def entry_files(service: Nginx) -> dict[str, str]:
    layout = Layout(Path("/"))
    part = ModulePart(module="reverse_proxy", plugin="reverse_proxy", directory=layout.modules / "reverse_proxy/7")
    with NginxAppliance.make() as box:
        places = layout.service("nginx")
        context = ServiceContext(
            service="nginx", directory=Path(DIRECTORY_MARK), parts=(part,), host=HOST, http01=box.http01, places=places
        )
    templates = Templates(search_path(layout.templates, "nginx", Nginx), "nginx")
    rendering = entry_of(service, service.render_entry(context), context, templates)
    return {file.path: filled_in(rendering.texts[file.text], f"{places.state}/3", 3) for file in rendering.files}


def test_the_administrators_file_is_published_as_a_copy():
    files = {file.path: file for file in Nginx().render_entry(service_context())}
    published = files["include.conf"]
    assert (published.publish, published.how) == (Path("/etc/nginx/conf.d/chainwright.conf"), "copy")


def service_context(root: str = "/") -> ServiceContext:
    layout = Layout(Path(root))
    places = layout.service("nginx")
    part = ModulePart(module="reverse_proxy", plugin="reverse_proxy", directory=layout.modules / "reverse_proxy/7")
    return ServiceContext(
        service="nginx", directory=places.state / "3", parts=(part,), host=HOST, http01=None, places=places
    )


def test_nginx_under_systemd_is_tested_reloaded_and_started_as_debian_does():
    service, context = Nginx(), service_context()
    assert service.check_command(context).argv == (
        "/usr/sbin/nginx",
        "-e",
        "stderr",
        "-t",
        "-c",
        "/etc/nginx/nginx.conf",
    )
    assert str(service.reload_command(context)) == "systemctl reload nginx"
    assert str(service.running(context)) == "systemctl is-active --quiet nginx"
    assert service.start_command(context).argv[1:] == (
        *("-P", "-m", "plugins.nginx.start_nginx", "/run/chainwright/reverse_proxy-*-generation.sock"),
        *("--", "systemctl", "start", "nginx"),
    )


def test_a_private_nginx_is_tested_on_the_candidate_and_started_on_what_is_live():
    service, context = Nginx(main="own", manager="commands"), service_context("/srv/box")
    state = "/srv/box/var/lib/chainwright/services/nginx"
    assert service.check_command(context).argv[-1] == f"{state}/3/nginx.conf"
    assert service.start_command(context).argv[-1] == f"{state}/live/nginx.conf"
    assert str(service.reload_command(context)) == "SIGHUP to the process of /srv/box/run/chainwright/nginx.pid"
    assert service.running(context) == Path("/srv/box/run/chainwright/nginx.pid")


def test_each_chain_is_looked_at_by_a_name_that_it_serves():
    module = proxy(site("*.b.example.com"), site("*.c.example.com", "www.c.example.com"), site("gw.lan", "192.0.2.1"))
    assert seen(module, HOST) == [
        ("_wildcard.b.example.com", "0.0.0.0:443", "chainwright-probe.b.example.com"),
        ("_wildcard.c.example.com", "0.0.0.0:443", "www.c.example.com"),
        ("gw.lan", "0.0.0.0:443", "gw.lan"),
        ("gw.lan", "0.0.0.0:443", ""),
    ]


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [
        ("192.0.2.1:8443", ["192.0.2.1:8443"]),
        (["[::]:443"], ["[::]:443"]),
        (8443, ["0.0.0.0:8443"]),
        (["127.0.0.1:443", "[::]:443", "192.0.2.1:8443"], ["127.0.0.1:443", "[::]:443", "192.0.2.1:8443"]),
    ],
)
def test_each_address_is_looked_at(listen, addresses):
    (found,) = endpoints(proxy(site("a.example.com"), listen=listen), HOST)
    assert [str(each) for each in (found.address, *found.others)] == addresses


def seen(module: ReverseProxy, host: HostFacts) -> list[tuple[str, str, str]]:
    return [(each.slot, str(each.address), each.server_name) for each in endpoints(module, host)]


def endpoints(module: ReverseProxy, host: HostFacts) -> list[Endpoint]:
    with NginxAppliance.make(host=host) as box:
        context = box.context(module, "reverse_proxy")
        found = list(module.probes(context))
        name = f"reverse_proxy-{context.generation}-generation.sock"
        assert {each.generation_socket for each in found} == {box.layout.run / name}
    return found


def test_each_side_of_a_split_site_is_looked_at_by_a_name_of_its_own():
    module = proxy(site("a.example.com", "b.example.com", "192.0.2.1"))
    assert [(slot, name) for slot, _, name in seen(module, host_with("a.example.com"))] == [
        ("a.example.com", "b.example.com"),
        ("a.example.com.failing", "a.example.com"),
        ("a.example.com.local", ""),
    ]


def test_a_generation_from_when_a_site_was_split_or_whole_is_looked_at_by_names_that_it_serves():
    module = proxy(site("a.example.com", "b.example.com"))
    whole, split = HOST, host_with("a.example.com")
    assert seen_later(module, whole, split) == [("a.example.com", "b.example.com")]
    assert seen_later(module, split, whole) == [("a.example.com", "b.example.com")]
    assert seen_later(module, split, host_with("b.example.com")) == [
        ("a.example.com", "b.example.com"),
        ("a.example.com.failing", "a.example.com"),
    ]


def seen_later(module: ReverseProxy, then: HostFacts, now: HostFacts) -> list[tuple[str, str]]:
    """Return where a generation made with the facts of `then` is looked at."""
    with NginxAppliance.make(host=then) as box:
        context = box.context(module, "reverse_proxy")
    return [(each.slot, each.server_name) for each in module.probes(replace(context, host=now))]


def test_a_host_without_ipv6_does_not_listen_on_it():
    module = proxy(site("a.example.com"))
    without = HostFacts(name="gw", addresses=("127.0.0.1",))
    assert [str(each) for each in module.https_addresses(without)] == ["0.0.0.0:443"]
    assert [str(each) for each in module.http_addresses(HOST)] == ["0.0.0.0:80", "[::]:80"]


def test_a_socket_whose_path_is_too_long_is_left_out():
    places = Layout(Path("/" + "x" * 80)).module("reverse_proxy")
    assert generation_socket(places, "reverse_proxy", "7") is None
    assert generation_socket(Layout(Path("/")).module("m"), "m", "7") == Path("/run/chainwright/m-7-generation.sock")


def test_a_generation_is_given_its_directory_when_it_is_staged():
    module = proxy(site("a.example.com"))
    with NginxAppliance.make() as box:
        texts = "".join(box.rendering(module, box.context(module, "reverse_proxy")).texts.values())
    assert DIRECTORY_MARK in texts


def test_browsers_are_not_told_to_insist_on_https_while_the_chain_is_local():
    module = proxy(site("a.example.com"), hsts_days=1)
    assert "Strict-Transport-Security max-age=86400" in rendered(module, None)["sites/a.example.com.conf"]
    assert "Strict-Transport-Security" not in rendered(module, None, "local")["sites/a.example.com.conf"]
