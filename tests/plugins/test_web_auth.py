"""Web authorization as data: settings, needs, files, endpoints."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.rendering.render import filled_in
from chainwright import HostFacts, KeyType
from plugins.nginx.claims import EVERY_NAME, Claim
from plugins.web_auth import WebAuth
from plugins.web_auth.probe import PageProbe
from support import golden
from support.appliances.nginx import NginxAppliance

HOST = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))
SMALLEST = {"domain": "portal.example.com", "upstream": "http://127.0.0.1:8000"}


def portal(**more) -> WebAuth:
    return WebAuth(**{**SMALLEST, **more})


def refusal(**more) -> str:
    with pytest.raises(ValidationError) as caught:
        portal(**more)
    return " ".join(error["msg"] for error in caught.value.errors())


def rendered(module: WebAuth, thumbprint: str | None = None) -> dict[str, str]:
    with NginxAppliance.make(thumbprint=thumbprint, source="acme", host=HOST) as box:
        context = box.context(module, "web_auth")
        rendering = box.rendering(module, context)
        texts = {file.path: rendering.texts[file.text] for file in rendering.files if file.text}
        where = f"{context.places.state}/7"
        return {path: filled_in(text, where, 7).replace(str(box.root), "") for path, text in texts.items()}


def test_one_chain_is_asked_for_with_what_the_operator_says_of_it():
    (need,) = portal(key_type="rsa-2048", sources=["local"], pin="old").declare_needs(HOST)
    assert (need.slot, need.names) == ("default", ("portal.example.com",))
    assert (need.key_types[0], need.sources, need.pin) == (KeyType.RSA_2048, ("local",), "old")


def test_the_smallest_settings_render_what_was_read():
    golden.compare("web_auth/smallest", rendered(portal()))


def test_all_settings_render_what_was_read():
    module = portal(
        domain="login.lan",
        upstream="https://auth.lan/portal/",
        captive=True,
        can_extend_session=True,
        venue_info="https://cafe.example/menu",
        posts_per_minute=5,
        max_body_kb=4,
        timeout=3,
        listen=["192.0.2.1:8443"],
        listen_http=[],
        http2=False,
        texts={"language": "de-AT", "title": "Anmelden", "button": "Los geht's"},
        brand={
            "organization": "Café Ümlaut",
            "color": "#FFCC00",
            "logo": "/srv/logo.svg",
            "terms": "https://cafe.example/agb",
        },
    )
    golden.compare("web_auth/full", rendered(module, "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"))


@pytest.mark.parametrize(
    ("listen", "origin"), [(443, "https://portal.example.com"), (8443, "https://portal.example.com:8443")]
)
def test_the_address_of_the_page_has_a_port_where_it_is_not_the_usual_one(listen, origin):
    assert portal(listen=listen).origin == origin


def test_the_page_is_fetched_when_its_chain_is_looked_at():
    with NginxAppliance.make(host=HOST) as box:
        context = box.context(portal(), "web_auth")
        (endpoint,) = portal(listen="[::]:443").probes(context)
        assert endpoint.generation_socket == box.layout.run / f"web_auth-{context.generation}-generation.sock"
    assert (str(endpoint.address), endpoint.server_name, endpoint.slot) == (
        "[::]:443",
        "portal.example.com",
        "default",
    )
    assert isinstance(endpoint.probe, PageProbe)


def test_nobody_but_the_workers_reads_the_page_and_they_do_not_read_the_key():
    module = portal(workers_group="nginx")
    assert (module.file_user, module.file_group) == ("", "nginx")
    assert {file.mode for file in module.receive_chains({})} == {0o600}


def test_it_answers_its_own_name_and_every_name_over_plain_http():
    assert list(portal(listen=443, listen_http=80).claims()) == [
        Claim("0.0.0.0:443", "portal.example.com", tls=True),
        Claim("0.0.0.0:80", EVERY_NAME, tls=False),
    ]


# What is refused


@pytest.mark.parametrize("domain", ["192.0.2.1", "2001:db8::1"])
def test_an_address_is_no_name_for_a_portal(domain):
    assert "must be a host name" in refusal(domain=domain)


def test_a_wildcard_is_no_name_for_a_portal():
    assert "not a wildcard" in refusal(domain="*.example.com")


def test_an_upstream_with_half_a_path_is_refused():
    assert 'must end in "/" where it has a path' in refusal(upstream="http://127.0.0.1:8000/auth")


def test_the_upstream_has_no_default():
    with pytest.raises(ValidationError) as caught:
        WebAuth(domain="portal.example.com")
    assert "Field required" in str(caught.value)


@pytest.mark.parametrize("captive", [1, "yes", "Upstream"])
def test_captive_is_true_false_or_upstream(captive):
    assert refusal(captive=captive)


@pytest.mark.parametrize("color", ["red", "#fff", "#12345g", "1a5fb4;"])
def test_a_colour_is_six_hexadecimal_digits(color):
    assert 'must be like "#1a5fb4"' in refusal(brand={"color": color})


@pytest.mark.parametrize("logo", ["/srv/logo.gif", "/srv/logo", "logo.png", "/srv/../logo.png"])
def test_a_logo_is_the_absolute_path_of_a_picture(logo):
    assert refusal(brand={"logo": logo})


@pytest.mark.parametrize(
    "text", ["<b>", "a & b", 'say "hi"', "x;", "{{ 7 }}", "$host", "#1", "back\\slash", "two\nlines"]
)
def test_a_text_that_could_be_more_than_text_is_refused_with_the_way_out(text):
    assert "must not stand in a text of the page; for more than plain text override its template" in refusal(
        texts={"welcome": text}
    )


def test_the_apostrophe_of_a_text_becomes_a_typographic_one():
    assert portal(texts={"welcome": " It's free "}).texts.welcome == "It\u2019s free"


@pytest.mark.parametrize("language", ["e", "en_US", "en-", "english language", '"'])
def test_a_language_is_a_tag(language):
    assert refusal(texts={"language": language})


@pytest.mark.parametrize(
    ("color", "on"), [("#000000", "fff"), ("#ffffff", "000"), ("#1a5fb4", "fff"), ("#ffcc00", "000")]
)
def test_what_stands_on_the_colour_can_be_read(color, on):
    assert portal(brand={"color": color}).brand.on_color == on


EVIL = st.text(st.sampled_from("a.1:/ \t\n\r;{}\"'\\$#`%*<>&\x00"), min_size=1, max_size=12)
BREAKING = re.compile(r"[<>&;{}\"'\\$#`\x00-\x1f]")
TEXTS = [f"texts.{name}" for name in ("language", "title", "welcome", "user", "password", "button", "failed", "terms")]
FIELDS = ["domain", "upstream", "venue_info", "workers_group", "listen", "listen_http", "brand.organization", *TEXTS]


@pytest.mark.parametrize("field", [*FIELDS, "brand.color", "brand.logo", "brand.terms"])
@given(text=EVIL)
def test_no_setting_that_is_printed_lets_markup_or_a_directive_through(field, text):
    assume(BREAKING.search(text))
    for value in (text, f"http://{text}", f"/{text}.png"):
        table, _, key = field.rpartition(".")
        try:
            module = portal(**({table: {key: value}} if table else {key: value}))
        except ValidationError:
            continue
        kept = getattr(getattr(module, table) if table else module, key)
        printed = "".join(map(str, kept)) if isinstance(kept, tuple) else str(kept)
        # An ampersand may stand in an address, where HTML and nginx take it for what it is.
        assert not BREAKING.search(printed.replace("&", "") if printed.startswith("http") else printed)


def test_the_page_names_no_other_place():
    """It is shown to clients that can reach nothing else yet."""
    for name in (Path(__file__).parents[2] / "templates/web_auth").glob("*.j2"):
        assert not re.search(r"https?://|//[a-z]", name.read_text()), name
