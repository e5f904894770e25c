"""Settings of any text: settings or a refusal that names what is wrong, never a traceback, never a hang, never a secret."""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.loading import load
from agent.config.settings import Settings
from agent.errors.settings import SettingsRefused
from agent.sources import BUILT_IN
from support.appliances.toy import ToyAppliance
from support.fuzz import NEVER_HANGS, changed, fuzzed, some_changes, texts

pytestmark = NEVER_HANGS

PLUGIN = """
    from chainwright import Endpoint, Module, Name, Port, Secret, Url, hookimpl
    from pydantic import BaseModel

    class Site(BaseModel):
        model_config = {"extra": "forbid"}
        domains: tuple[Name, ...] = ()
        upstream: Url | None = None
        token: Secret | None = None

    class Tunnel(Module):
        '''Tunnels.'''

        name = "tunnel"
        port: Port = 993
        share: float | bool = 0.5
        password: Secret | None = None
        sites: tuple[Site, ...] = ()
        users: dict[str, Site] = {}

        def declare_needs(self, host):
            return []

        def probes(self, context):
            return []

    @hookimpl
    def register_modules():
        return [Tunnel]
"""
HIDDEN = "hunter2-hunter2"
REAL = f"""
sources = ["uploaded", "local"]
plugins.tunnel.enabled = true
hostname = "gw.example.test"
addresses = ["192.0.2.1", "2001:db8::1"]
[root]
subject = "Toy Root"
lifetime_days = 3650
key_type = "ecdsa-p256"
[probe]
interval = 900
timeout = 10.0
[modules.tunnel]
port = 993
share = 0.25
password = "{HIDDEN}"
sources = ["local"]
sites = [{{ domains = ["a.example.test", "*.b.example.test"], upstream = "127.0.0.1:80", token = "{HIDDEN}" }}]
[modules.tunnel.users.anna]
token_file = "/etc/token"
[modules.second]
plugin = "tunnel"
enabled = false
[[modules.reverse_proxy.sites]]
domains = ["shop.example.test"]
upstream = "http://192.0.2.10:8080"
[modules.webui]
port = 8443
[services.nginx]
start = true
[source.local]
lifetime_days = 90
[dns.script]
path = "/bin/true"
"""
KEYS_OF_SETTINGS = [
    "sources", "plugins", "hostname", "addresses", "root", "probe", "deploy", "modules", "services", "source", "dns", "notify",
    "tunnel", "second", "reverse_proxy", "webui", "nginx", "local", "uploaded", "port", "sites", "users", "domains",
    "upstream", "token", "password", "password_file", "token_file", "plugin", "enabled", "key_type", "lifetime_days",
    "subject", "timeout", "window", "pin", "", "a.b", "ä", "\n",
]  # fmt: skip
words = st.sampled_from(
    ["", "tunnel", "local", "a.example.test", "192.0.2.1", "/etc/x", "127.0.0.1:80", "\n", "ü", "..", "0"]
)
values = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**80), 2**80),
        st.floats(),
        words,
        st.text(max_size=20),
        st.datetimes(),
        st.dates(),
        st.times(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS_OF_SETTINGS), inner, max_size=4)
    ),
    max_leaves=12,
)
trees = st.dictionaries(st.sampled_from(KEYS_OF_SETTINGS), values, max_size=6)


def toml_of(value: object) -> str:
    """Return a value as TOML writes it inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_of(str(key))} = {toml_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(char):08X}" for char in value if not 0xD800 <= ord(char) < 0xE000) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def lines_of(tree: dict[str, object]) -> bytes:
    return "".join(f"{toml_of(key)} = {toml_of(value)}\n" for key, value in tree.items()).encode()


OPENINGS = ["[", "a=[", "a={b=", "[a.", "'''"]
nested = st.builds(lambda opening, depth: (opening * depth).encode(), st.sampled_from(OPENINGS), st.integers(1, 5000))
some_settings = st.one_of(
    trees.map(lines_of),
    st.builds(changed, st.just(REAL.encode()), some_changes),
    st.permutations(REAL.splitlines()).map(lambda lines: "\n".join(lines[:9]).encode()),
    st.binary(max_size=100),
    texts,
    nested,
)


@pytest.fixture(scope="module")
def appliance():
    with tempfile.TemporaryDirectory() as place:
        made = ToyAppliance(Path(place))
        made.drop_in("tunnel", PLUGIN)
        yield made


def check_refused(error: SettingsRefused) -> None:
    assert error.errors
    assert all(line.isprintable() for line in str(error).split("\n"))


@fuzzed(60, 4_000)
@given(some_settings, st.one_of(st.just(b""), some_settings), st.sampled_from([0o600, 0o644]))
def test_any_settings_are_loaded_or_refused(appliance, main, more, mode):
    for name, data in (("chainwright.toml", main), ("conf.d/a.toml", more)):
        appliance.settings("", name, mode).write_bytes(data)
    try:
        found, _ = load(appliance.layout, BUILT_IN)
    except SettingsRefused as error:
        check_refused(error)
        return
    assert isinstance(found, Settings)


def check_silent(error: SettingsRefused) -> None:
    check_refused(error)
    assert HIDDEN not in "".join(traceback.format_exception(error))
    assert HIDDEN not in str([each.to_json() for each in error.errors])


keys_and_values = st.dictionaries(st.sampled_from(KEYS_OF_SETTINGS), values, max_size=4)
secrets = st.one_of(st.just(HIDDEN), st.just([HIDDEN]), st.just({"x": HIDDEN}))


@fuzzed(60, 2_000)
@given(keys_and_values, keys_and_values, secrets, secrets, st.sampled_from([0o600, 0o644]))
def test_a_secret_is_never_shown_whatever_stands_beside_it(appliance, table, site, password, token, mode):
    tunnel = {**table, "password": password, "sites": [{**site, "token": token}]}
    appliance.settings("", "conf.d/a.toml").write_bytes(b"")
    appliance.settings("", "chainwright.toml", mode).write_bytes(lines_of({"modules": {"tunnel": tunnel}}))
    try:
        found, _ = load(appliance.layout, BUILT_IN)
    except SettingsRefused as error:
        check_silent(error)
        return
    assert HIDDEN not in repr(found)
