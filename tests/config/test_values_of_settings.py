"""Types of settings whose values are safe to print in any configuration file, and secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from agent.contract.fields import (
    Host,
    ListenAddress,
    ListenAddresses,
    Name,
    PathText,
    Port,
    Secret,
    SecretText,
    Url,
    Word,
    digest_of_settings,
)
from agent.rendering.templates import UNSAFE

KINDS = {
    "listen": ListenAddress,
    "upstream": Url,
    "name": Name,
    "host": Host,
    "word": Word,
    "path": PathText,
    "port": Port,
}
PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "a.test",
        "10.0.0.5",
        "[::1]",
        ":8080",
        "/x",
        "?q=1",
        "\n",
        ";",
        "{",
        "$a",
        '"',
        " ",
        "..",
        "%0a",
    ]
)


def read(kind: str, value: object) -> str:
    return str(TypeAdapter(KINDS[kind]).validate_python(value))


@given(st.sampled_from(sorted(KINDS)), st.text() | st.lists(PIECES).map("".join))
def test_whatever_is_accepted_adds_nothing_to_a_configuration(kind: str, text: str):
    try:
        value = read(kind, text)
    except ValidationError:
        return
    assert not UNSAFE.search(value)
    assert not any(each.isspace() for each in value)
    assert read(kind, value) == value


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("listen", 443, "0.0.0.0:443"),
        ("listen", "8443", "0.0.0.0:8443"),
        ("listen", "[::]:443", "[::]:443"),
        ("listen", "[2001:DB8::0001]:443", "[2001:db8::1]:443"),
        ("listen", "GW.example.test:1", "gw.example.test:1"),
        ("upstream", "http://10.0.0.5:8080", "http://10.0.0.5:8080"),
        ("upstream", "https://[2001:DB8::1]/a?b=c", "https://[2001:db8::1]/a?b=c"),
        ("upstream", "http://App.example.test/", "http://app.example.test/"),
        ("host", "Bücher.example.test", "xn--bcher-kva.example.test"),
        ("name", "*.Example.test.", "*.example.test"),
        ("path", "/etc/x@y/z_1.conf", "/etc/x@y/z_1.conf"),
        ("word", "www-data", "www-data"),
    ],
)
def test_what_is_meant_is_read_in_its_canonical_form(kind: str, written: object, value: str):
    assert read(kind, written) == value


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        *(
            ("listen", each)
            for each in (0, 65536, "x", "::1:443", "[abc]:443", "[::1]", "[::1:443", "*.a.test:1", True, None)
        ),
        *(("listen", each) for each in ("a b:443", "a;b:443", 443.5, "443\n")),
        *(
            ("upstream", each)
            for each in ("10.0.0.5", "ftp://a.test", "http://", "http://a.test:0", "http://a.test:99999")
        ),
        *(
            ("upstream", each)
            for each in ("http://u:p@a.test", "http://@a.test", "http://a.test/#x", "http://a.test/$host")
        ),
        *(("upstream", each) for each in ("http://a.test/ x", "http://a.test/{", "unix:/run/x.sock", 80)),
        *(("host", each) for each in ("*.a.test", "a b", "", "a_b..c")),
        *(("path", each) for each in ("x", "/a/../b", "/a b", "/a;", "/a$b", "")),
        *(("word", each) for each in ("", "-x", "a b", "a/b", "x" * 129)),
    ],
)
def test_anything_else_is_refused(kind: str, written: object):
    with pytest.raises(ValidationError):
        read(kind, written)


def test_one_address_or_a_list_of_them():
    adapter = TypeAdapter(ListenAddresses)
    assert [str(each) for each in adapter.validate_python(443)] == ["0.0.0.0:443"]
    assert [str(each) for each in adapter.validate_python([443, "[::]:443"])] == ["0.0.0.0:443", "[::]:443"]


# Secrets


class Account(BaseModel):
    token: Secret
    others: tuple[Secret, ...] = ()


def test_a_secret_is_masked_wherever_it_is_shown():
    account = Account(token="hush hush", others=("more",))  # type: ignore[arg-type]
    shown = [repr(account), str(account), f"{account.token}", account.model_dump_json(), repr(account.model_dump())]
    assert not [text for text in shown if "hush" in text or "more" in text]
    assert json.loads(account.model_dump_json()) == {"token": "********", "others": ["********"]}
    assert account.token.reveal() == "hush hush"


def test_settings_that_differ_in_a_secret_only_are_told_apart_without_telling_it():
    one, two, again = (Account(token=text) for text in ("one", "two", "one"))  # type: ignore[arg-type]
    assert digest_of_settings(one) == digest_of_settings(again) != digest_of_settings(two)
    assert "********" in one.model_dump_json()


@pytest.mark.parametrize("value", ["", None, 7, b"x"])
def test_a_secret_is_a_text_that_is_not_empty(value: object):
    with pytest.raises(ValidationError, match="must be a text that isn't empty"):
        Account(token=value)  # type: ignore[arg-type]
    assert isinstance(Account(token=SecretText("x")).token, SecretText)
