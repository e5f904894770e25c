import re
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.errors.name import NameInvalid
from agent.system.names import covers, covers_all, is_address, is_public, is_wildcard, parse_name

SAFE = re.compile(r"[a-z0-9.*_:-]+")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        ("gateway", "gateway"),
        ("*.Example.com", "*.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.BÜCHER.example", "*.xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("日本語。jp", "xn--wgv71a119e.jp"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("3com.example", "3com.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::", "::"),
    ],
)
def test_a_name_has_one_canonical_form(text: str, name: str):
    assert parse_name(text) == name
    assert parse_name(name) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        (".", "it is empty"),
        ("a..b", "two dots side by side"),
        (".a", "one at its beginning"),
        ("a.b..", "two dots side by side"),
        ("a b", "only letters, digits"),
        ("a\n.example", "only letters, digits"),
        ("www.example.com\n", "only letters, digits"),
        ("a;b{}", "only letters, digits"),
        ("mail@example.com", "it is an e-mail address, and chains are for host names and addresses"),
        ("https://a.example", "only letters, digits"),
        ("a.example:443", "only letters, digits"),
        ("-a.example", "begins or ends with a hyphen"),
        ("a-.example", "begins or ends with a hyphen"),
        ("a" * 64 + ".example", "a label is longer than 63"),
        (".".join(["a" * 49] * 6), "longer than 253"),
        ("*." + ".".join(["a" * 62] * 4) + "a", "longer than 253"),
        ("ü" * 300, "longer than 253"),
        ("*", "an asterisk may only"),
        ("*.*.example", "an asterisk may only"),
        ("a*.example.com", "an asterisk may only"),
        ("www.*.example.com", "an asterisk may only"),
        ("*.lan", "at least two labels"),
        ("*.192.0.2.1", "ends in a number"),
        ("192.0.2.256", "ends in a number"),
        ("192.0.2", "ends in a number"),
        ("192.0.2.1.", "ends in a number"),
        ("\uff11.\uff12.\uff13.\uff14", "ends in a number"),
        ("fe80::1%eth0", "the zone of an address"),
        ("☃️\u200b\u2028.example", "no IDNA form"),
        ("\uff0a.b\u00fccher.example", "no IDNA form"),
    ],
)
def test_what_is_not_a_name_is_refused_with_a_reason(text: str, reason: str):
    with pytest.raises(NameInvalid) as caught:
        parse_name(text)
    assert reason in caught.value.problem.cause
    assert caught.value.problem.cause.isprintable()


@given(st.text(max_size=80))
@example("a.example\n")
@example("\uff11\uff12\uff17.\uff10.\uff10.\uff11")
@example("a\uff0fb.example")
@example("fe80::1%;}")
def test_whatever_comes_out_is_safe_to_print_and_stays_the_same(text: str):
    try:
        name = parse_name(text)
    except NameInvalid:
        return
    assert SAFE.fullmatch(name)
    assert len(name) <= 253
    assert parse_name(name) == name


@given(st.from_regex(r"(\*\.)?[a-zA-Z0-9_-]{1,20}(\.[a-zA-Z0-9äßéñ-]{1,20}){0,4}\.?", fullmatch=True))
def test_upper_case_and_a_trailing_dot_make_no_difference(text: str):
    try:
        name = parse_name(text)
    except NameInvalid:
        return
    assert parse_name(name.upper()) == name
    assert SAFE.fullmatch(name)


@given(st.ip_addresses())
def test_every_address_is_a_name(address: object):
    name = parse_name(str(address))
    assert ip_address(name) == address
    assert is_address(name)
    assert not is_wildcard(name)


@pytest.mark.parametrize(
    "name",
    [
        "gateway", "gw.local", "gw.localhost", "gw.internal", "gw.lan", "gw.home", "gw.home.arpa", "gw.example.test",
        "gw.example", "gw.invalid", "gw.corp", "gw.intranet", "gw.private", "gw.onion", "1.168.192.in-addr.arpa",
        "*.site.lan", "a_b.example.com", "127.0.0.1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "192.0.2.1",
        "224.0.0.1", "::ffff:808:808", "::1", "fe80::1", "fd00::1", "2001:db8::1", "0.0.0.0",
    ],
)  # fmt: skip
def test_names_of_inside_are_not_public(name: str):
    assert parse_name(name) == name
    assert not is_public(name)


@pytest.mark.parametrize("name", ["www.example.com", "*.example.com", "xn--bcher-kva.de", "9.9.9.9", "2620:fe::fe"])
def test_names_of_the_internet_are_public(name: str):
    assert parse_name(name) == name
    assert is_public(name)


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("a.example.com", "a.example.com", True),
        ("a.example.com", "b.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "xn--bcher-kva.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "a.example.org", False),
        ("*.example.com", "*.example.com", True),
        ("a.example.com", "*.example.com", False),
        ("*.b.example.com", "*.example.com", False),
        ("*.example.com", "*.b.example.com", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("*.0.2.1", "192.0.2.1", False),
    ],
)
def test_a_wildcard_covers_exactly_one_label_and_an_address_only_itself(pattern: str, name: str, covered: bool):
    assert covers(pattern, name) is covered
    assert covers_all([pattern], [name]) is covered


def test_a_certificate_must_cover_each_name():
    patterns = ["*.example.com", "example.com", "192.0.2.1"]
    assert covers_all(patterns, ["www.example.com", "example.com", "192.0.2.1"])
    assert not covers_all(patterns, ["www.example.com", "a.b.example.com"])
    assert covers_all(patterns, [])
    assert not covers_all([], ["www.example.com"])
