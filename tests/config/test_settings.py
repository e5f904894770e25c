import contextlib
import os
import tempfile
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.files import merge, read_settings
from agent.config.loading import build, load_all
from agent.config.shown import shown_tables, toml_lines
from agent.errors.settings import SettingsRefused
from agent.pki.key import KeyType
from agent.registry.plugins import Registry
from agent.system.layout import Layout
from support.appliances.toy import BUILT_IN, STUNNEL, ToyAppliance

TUNNEL = """
    from typing import Literal
    from pydantic import BaseModel, Field, field_validator
    from chainwright import Endpoint, Module, Port, Secret, Service, Name, Command, Url, hookimpl

    class Site(BaseModel):
        model_config = {"extra": "forbid"}
        domains: tuple[Name, ...] = Field(min_length=1)
        upstream: Url | None = None
        token: Secret | None = None

    class Tunnel(Module):
        '''Tunnels.'''

        name = "tunnel"
        services = ("tunneld",)
        key_types = ("rsa-2048",)
        port: Port = 993
        mode: Literal["fast", "safe"] = "safe"
        share: float | bool = 0.5
        password: Secret | None = None
        sites: tuple[Site, ...] = ()
        users: dict[str, Site] = {}
        tokens: tuple[Secret, ...] = ()
        broken: str = ""

        @field_validator("broken")
        @classmethod
        def _crash(cls, text):
            if text:
                raise KeyError(text)
            return text

        def declare_needs(self, host):
            return []

        def probes(self, context):
            return []

    class Tunneld(Service):
        name = "tunneld"
        binary: str = "/usr/sbin/tunneld"
        crash: bool = False

        @field_validator("crash")
        @classmethod
        def _crash(cls, crash):
            return 1 // (not crash)

        def reload_command(self, context):
            return Command(("true",))

    @hookimpl
    def register_modules():
        return [Tunnel]

    @hookimpl
    def register_services():
        return [Tunneld]
""".replace('("rsa-2048",)', '(__import__("chainwright").KeyType.RSA_2048,)')


@pytest.fixture
def appliance(tmp_path: Path) -> ToyAppliance:
    toy = ToyAppliance(tmp_path)
    toy.drop_in("tunnel", TUNNEL)
    return toy


def refused(appliance: ToyAppliance) -> list[str]:
    """Load, and return the error without the directory of the files."""
    with pytest.raises(SettingsRefused) as raised:
        appliance.load()
    return [str(error).removeprefix(f"{appliance.layout.etc}/") for error in raised.value.errors]


def one_error(appliance: ToyAppliance, text: str) -> str:
    appliance.settings(text)
    (error,) = refused(appliance)
    return error


# What holds without an error


def test_without_any_file_everything_is_default(tmp_path: Path):
    found, registry = ToyAppliance(tmp_path).load()
    assert found.sources == ("uploaded", "acme", "local")
    assert found.entries == {}
    assert (found.hostname, found.addresses) == (None, None)
    assert found.plugins == found.notify == {}
    assert (found.probe.interval, found.probe.handshakes, found.probe.timeout, found.deploy.keep) == (900, 3, 10.0, 3)
    assert (found.root.lifetime_days, found.root.key_type) == (3650, KeyType.ECDSA_P256)
    assert list(found.rungs) == ["uploaded", "acme", "local"]
    assert set(registry.sources) == {"uploaded", "acme", "local"}


def test_later_files_win_key_by_key_and_tables_of_arrays_append(appliance: ToyAppliance):
    main = appliance.settings("""
        sources = ["local"]
        [modules.tunnel]
        port = 1
        mode = "fast"
        [[modules.tunnel.sites]]
        domains = ["a.example.test"]
    """)
    second = appliance.settings("[modules.tunnel]\nport = 2\n", "conf.d/20-b.toml")
    first = appliance.settings(
        """
        sources = ["uploaded"]
        [modules.tunnel]
        port = 3
        [[modules.tunnel.sites]]
        domains = ["b.example.test"]
        """,
        "conf.d/10-a.toml",
    )
    appliance.settings("port = 4", "conf.d/ignored.txt")
    found, _ = appliance.load()
    tunnel = found.modules["tunnel"]
    assert (tunnel.port, tunnel.mode) == (2, "fast")
    assert [site.domains for site in tunnel.sites] == [("a.example.test",), ("b.example.test",)]
    assert found.sources == ("uploaded",)
    of = found.origins.of_value
    assert of(("modules", "tunnel", "port")) == second
    assert of(("modules", "tunnel", "mode")) == main
    assert of(("modules", "tunnel", "sites", 1, "domains")) == first
    assert of(("sources",)) == first
    assert of(("modules", "tunnel", "share")) is None


def test_a_file_may_replace_a_value_by_a_table_and_an_array_by_an_empty_one(tmp_path: Path):
    one, two = tmp_path / "1", tmp_path / "2"
    tree = merge([(one, {"a": 1, "b": [{"c": 1}]}), (two, {"a": {"x": 2}, "b": []})], main=one)
    assert tree.values == {"a": {"x": 2}, "b": []}
    assert tree.origins.of_value(("a", "x")) == two
    assert tree.origins.of_value(("b", 0, "c")) == two
    assert tree.origins.tables == {("a",): two}


def test_one_plugin_may_be_used_twice(appliance: ToyAppliance):
    appliance.settings('[modules.tunnel]\n[modules.second]\nplugin = "tunnel"\nport = 994\n')
    found, _ = appliance.load()
    assert {name: module.port for name, module in found.modules.items()} == {"second": 994, "tunnel": 993}
    assert found.entries["second"].plugin == "tunnel"


def test_a_service_has_defaults_until_a_table_says_otherwise(appliance: ToyAppliance):
    appliance.settings("[modules.tunnel]\n")
    assert appliance.load()[0].services["tunneld"].start is False
    appliance.settings("[services.tunneld]\nstart = true\n", "conf.d/a.toml")
    assert appliance.load()[0].services["tunneld"].start is True


def test_a_source_is_configured_by_its_own_table(appliance: ToyAppliance):
    appliance.settings('sources = ["local"]\n[source.local]\nlifetime_days = 30\n[source.uploaded]\n')
    found, _ = appliance.load()
    assert {name: rung.source.lifetime_days for name, rung in found.rungs.items()} == {"local": 30}


def test_a_dns_solver_is_configured_by_its_own_table(appliance: ToyAppliance):
    appliance.drop_in("script", SOLVER)
    appliance.settings('[dns.script]\npath = "/bin/true"\n')
    assert appliance.load()[0].dns_solvers["script"].solver.path == "/bin/true"


SOLVER = """
    from chainwright import DnsSolver, hookimpl

    class Script(DnsSolver):
        name = "script"
        path: str

        def present(self, name, value): ...
        def clean_up(self, name, value): ...

    @hookimpl
    def register_dns_solvers():
        return [Script]
"""


def test_host_name_and_addresses_are_canonical(appliance: ToyAppliance):
    appliance.settings('hostname = "GW.Example.Test"\naddresses = ["2001:DB8::0:1", "192.0.2.1"]\n')
    found, _ = appliance.load()
    assert (found.hostname, found.addresses) == ("gw.example.test", ("2001:db8::1", "192.0.2.1"))


def test_a_disabled_module_is_listed_and_not_validated(appliance: ToyAppliance):
    appliance.settings(
        '[modules.tunnel]\nenabled = false\nport = "rubbish"\n[services.tunneld]\n[modules.gone]\nenabled = false\n'
    )
    found, registry = appliance.load()
    tunnel = found.entries["tunnel"]
    assert (tunnel.title, tunnel.enabled, tunnel.module, tunnel.error) == ("Tunnels", False, None, None)
    assert found.entries["gone"].title == "gone"
    assert found.modules == {}
    assert registry.enabled_plugins == {}
    assert list(found.services) == ["tunneld"]


def test_the_table_of_a_service_is_known_where_no_module_names_its_plugin(appliance: ToyAppliance):
    appliance.settings("[services.tunneld]\nstart = true\n")
    found, registry = appliance.load()
    assert found.services["tunneld"].start is True
    assert registry.enabled_plugins == {}


def test_the_table_of_a_service_that_was_deployed_to_is_left_over_when_its_plugin_is_gone(appliance: ToyAppliance):
    appliance.settings("[services.gone]\nstart = true\n")
    with pytest.raises(SettingsRefused, match='no service is named "gone"'):
        appliance.load()
    appliance.layout.service("gone").state.mkdir(parents=True)
    assert appliance.load()[0].services == {}


# What a broken plugin costs: its own modules


def test_a_broken_plugin_costs_its_own_module_only(appliance: ToyAppliance):
    appliance.drop_in("broken", "import toy_not_there")
    appliance.settings("[modules.broken]\nwhatever = 1\n[modules.tunnel]\n")
    found, registry = appliance.load()
    assert list(found.modules) == ["tunnel"]
    assert found.entries["broken"].error is registry.broken["broken"]
    assert found.entries["broken"].enabled


def test_a_refused_class_costs_its_own_module_only(appliance: ToyAppliance):
    appliance.drop_in("stunnel", STUNNEL.replace('reload = ("true",)', ""))
    appliance.settings("[modules.stunnel]\n[modules.tunnel]\n")
    found, _ = appliance.load()
    assert list(found.modules) == ["tunnel"]
    assert 'it has none of "reload"' in str(found.entries["stunnel"].error)


def test_a_module_that_a_broken_bundle_may_have_is_not_called_unknown(appliance: ToyAppliance):
    appliance.drop_in("bundle", "1 / 0")
    appliance.settings("plugins.bundle.enabled = true\n[modules.ftp]\n[modules.tunnel]\n")
    found, _ = appliance.load()
    assert list(found.modules) == ["tunnel"]
    assert str(found.entries["ftp"].error).startswith(
        'ftp: No working plugin registers the module "ftp"; broken: bundle.'
    )


def test_a_validator_that_crashes_costs_its_own_module_only(appliance: ToyAppliance):
    appliance.drop_in("stunnel", STUNNEL)
    appliance.settings('[modules.tunnel]\nbroken = "key"\n[modules.stunnel]\n')
    found, _ = appliance.load()
    assert list(found.modules) == ["stunnel"]
    assert str(found.entries["tunnel"].error).startswith(
        f"tunnel ({appliance.layout.plugins}/tunnel.py:31): The plugin failed in the validation of its settings: KeyError: 'key'."
    )


# Errors: all at once, each with file, table, key, what is wrong, what is allowed

MODULE_KEYS = (
    "broken, enabled, keep_for, key, key_type, mode, password, password_file, pin, plugin, port, share, "
    "sites, sources, start, tokens, users, wildcards, window"
)
TOP_KEYS = (
    "acme, addresses, dane, deploy, dns, dns01, fetch, hostname, modules, notify, plugins, probe, "
    "resolve, root, services, source, sources, wildcards"
)

INSTALLED = (
    "acme_dns, command, files, ikev2, lexicon, mail, nginx, reverse_proxy, rfc2136, sstp, tunnel, web_auth, webui"
)
ONE_ERROR = {
    "prot": ("[modules.tunnel]\nprot = 1", f'[modules.tunnel] prot: unknown key; did you mean "port"? Allowed: {MODULE_KEYS}'),
    "far off": ("[modules.tunnel]\nzzz = 1", f"[modules.tunnel] zzz: unknown key; allowed: {MODULE_KEYS}"),
    "top level": ("module = 1", f'module: unknown key; did you mean "modules"? Allowed: {TOP_KEYS}'),
    "nested": (
        '[[modules.tunnel.sites]]\ndomains = ["a.test"]\n[[modules.tunnel.sites]]\ndomains = ["b.test"]\nupstrem = 1',
        '[modules.tunnel] sites[#2].upstrem: unknown key; did you mean "upstream"? Allowed: domains, token, token_file, upstream',
    ),
    "in a table of tables": (
        '[modules.tunnel.users.joe]\ndomains = ["a.test"]\ntoken_fil = 1',
        ('[modules.tunnel] users.joe.token_fil: unknown key; did you mean "token_file"? '
        "Allowed: domains, token, token_file, upstream"),
    ),
    "missing": ("[[modules.tunnel.sites]]", "[modules.tunnel] sites[#1].domains: is missing"),
    "range": ("[modules.tunnel]\nport = 70000", "[modules.tunnel] port: must be at most 65535"),
    "whole number": ("[probe]\ninterval = 1.5", "[probe] interval: must be a whole number"),
    "not a number": ("[probe]\ntimeout = nan", "[probe] timeout: must be a finite number"),
    "zero": ("[probe]\ntimeout = 0", "[probe] timeout: must be more than 0.0"),
    "choice": ('[modules.tunnel]\nmode = "quick"', "[modules.tunnel] mode: must be 'fast' or 'safe'"),
    "enumeration": (
        '[root]\nkey_type = "rsa"',
        (
            "[root] key_type: must be 'ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-3072', 'rsa-4096' or 'ed25519' "
            'or must be a list, for example ["a", "b"]'
        ),
    ),
    "two of a kind": (
        '[root]\nkey_type = ["rsa-2048", "rsa-4096"]',
        "[root] key_type: must not be two of one kind: one root is for RSA keys, and one for the others",
    ),
    "union": ('[modules.tunnel]\nshare = "x"', "[modules.tunnel] share: must be a number or must be true or false"),
    "text": ("[modules.tunnel]\npin = 1", "[modules.tunnel] pin: must be a text in quotes"),
    "list": ('sources = "local"', 'sources: must be a list, for example ["a", "b"]'),
    "empty list": ("sources = []", "sources: must have at least 1 entries, has 0"),
    "only entry": ("sources = [1]", "sources[#1]: must be a text in quotes"),
    "table": ("[[modules.tunnel.users]]", "[modules.tunnel] users: must be a table"),
    "tables of modules": ("modules = 1", "modules: must be a table of tables: [modules.NAME]"),
    "table of a module": ("[modules]\ntunnel = 1", "[modules.tunnel]: must be a table: [modules.tunnel]"),
    "table of a source": ("[source]\nlocal = 1", "[source.local]: must be a table: [source.local]"),
    "table of the core": ("probe = 1", "probe: must be a table"),
    "a bad name": (
        '[modules."a/b"]\nplugin = "tunnel"',
        '[modules.a/b]: the name of a module must be lower-case letters, digits, "_" or "-", at most 64',
    ),
    "enabled": ('[modules.tunnel]\nenabled = "no"', "[modules.tunnel] enabled: must be true or false"),
    "twice": ('sources = ["local", "local"]', 'sources: names "local" twice'),
    "unknown rung": (
        'sources = ["locla"]',
        'sources: no source is named "locla"; did you mean "local"? Known: acme, local, uploaded',
    ),
    "unknown rung of a module": (
        '[modules.tunnel]\nsources = ["zerossl"]',
        '[modules.tunnel] sources: no source is named "zerossl"; known: acme, local, uploaded',
    ),
    "unknown service": (
        "[services.tunnld]",
        (
            '[services.tunnld]: no service is named "tunnld"; did you mean "tunneld"? Known: dovecot, nginx, postfix, sstp, '
            "strongswan, tunneld, webui"
        ),
    ),
    "a source with a table of its own": ("[source.acme]", "[source.acme]: has a table of its own: write [acme]"),
    "a table that is none": ("acme = 1", "acme: must be a table: [acme]"),
    "a key of [acme]": (
        "[acme]\nlifetime_day = 1",
        '[acme] lifetime_day: unknown key; did you mean "lifetime_days"? Allowed: lifetime_days, name',
    ),
    "unknown solver": (
        "[dns.x]",
        ('[dns.x]: no DNS solver is named "x": say whose solver it is, for example plugin = "rfc2136"; '
        f"installed plugins: {INSTALLED}"),
    ),
    "unknown solver of a table": (
        '[dns.x]\nplugin = "y"', f'[dns.x] plugin: no DNS solver is named "y"; installed plugins: {INSTALLED}'
    ),
    "key type": ('[modules.tunnel]\nkey_type = "ed25519"', "[modules.tunnel] key_type: this service accepts only: rsa-2048"),
    "wildcards of a service whose clients take none": (
        (
            '[modules.ikev2]\ndomain = "gw.example.com"\nwildcards = ["*.example.com"]\n'
            '[[modules.ikev2.connections]]\nname = "road"\nauth = "eap-tls"\npools = ["10.9.0.0/24"]'
        ),
        (
            "[modules.ikev2] wildcards: this service is asked for by whole names: its clients may refuse a chain that has a "
            "wildcard in place of them"
        ),
    ),
    "a name among wildcards": (
        'wildcards = ["example.org", "*.example.com"]',
        (
            'wildcards: must be wildcards, and example.org is none; it may stand beside "*.example.org", to be in one chain '
            "with it"
        ),
    ),
    "window": (
        '[modules.tunnel]\nwindow = "3-5"',
        '[modules.tunnel] window: a window is written "03:00-05:00" or "03:00-05:00 Europe/Berlin"',
    ),
    "host": ('hostname = "192.0.2.1"', "hostname: must be a host name, not an address"),
    "address": (
        'addresses = ["gw.example.test"]',
        "addresses[#1]: must be an IP address, for example 192.0.2.1 or 2001:db8::1",
    ),
    "subject": ('[root]\nsubject = "a\\u0007b"', "[root] subject: must not hold control characters"),
    "too long": (f'[root]\nsubject = "{"a" * 65}"', "[root] subject: must have at most 64 characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_ERROR)
def test_an_error_names_file_table_key_and_what_is_allowed(case: str, appliance: ToyAppliance):
    text, expected = ONE_ERROR[case]
    assert one_error(appliance, text) == f"chainwright.toml: {expected}"


SOLVERS = {
    "the same zone": (
        'zones = ["a.test", "b.test"]\n[dns.other]\nplugin = "rfc2136"\nkey_name = "k"\nsecret = "YQ=="\nzones = ["b.test"]',
        '[dns.other] zones: names "b.test", which [dns.home] serves',
    ),
    "every zone": (
        '[dns.other]\nplugin = "rfc2136"\nkey_name = "k"\nsecret = "YQ=="',
        "[dns.other]: serves every zone, as [dns.home] does: name the zones of one of them",
    ),
    "twice": ('zones = ["a.test", "a.test"]', '[dns.home] zones: names "a.test" twice'),
    "an address": ('zones = ["192.0.2.1"]', "[dns.home] zones[#1]: must be the name of a zone, not an address"),
    "a secret": ('zones = ["a.test"]\nalgorithm = "none"', "[dns.home] algorithm: must be one of hmac-sha256, "),
}


@pytest.mark.parametrize("case", SOLVERS)
def test_a_table_of_a_solver_that_cannot_work_is_refused(case: str, appliance: ToyAppliance):
    text, said = SOLVERS[case]
    appliance.settings(f'[dns.home]\nplugin = "rfc2136"\nkey_name = "k"\nsecret = "YQ=="\n{text}\n', mode=0o600)
    assert refused(appliance)[0].startswith(f"chainwright.toml: {said}")


def test_two_tables_of_one_kind_serve_zones_of_their_own_and_show_no_secret(appliance: ToyAppliance):
    table = 'plugin = "rfc2136"\nkey_name = "k"\nsecret = "c2VjcmV0"\n'
    text = f'[dns.a]\n{table}zones = ["A.test"]\n[dns.b]\n{table}enabled = true\ntimeout = 5\n'
    appliance.settings(text, mode=0o600)
    settings, _ = appliance.load()
    found = {name: (each.plugin, each.zones, each.timeout) for name, each in settings.dns_solvers.items()}
    assert found == {"a": ("rfc2136", ("a.test",), 120.0), "b": ("rfc2136", (), 5.0)}
    shown = "\n".join(toml_lines(shown_tables(settings), origin=False))
    assert '[dns.a]\nenabled = true\nplugin = "rfc2136"\nzones = ["a.test"]\n' in shown
    assert "c2VjcmV0" not in shown


def test_an_unknown_plugin_is_compared_with_those_installed(appliance: ToyAppliance):
    installed = ", ".join(sorted({each.name for each in appliance.registry().plugins}))
    assert "tunnel" in installed
    assert one_error(appliance, "[modules.tunel]") == (
        f'chainwright.toml: [modules.tunel]: no plugin is named "tunel"; did you mean "tunnel"? Installed: {installed}'
    )
    assert one_error(appliance, '[modules.x]\nplugin = "tunel"') == (
        f'chainwright.toml: [modules.x] plugin: no plugin is named "tunel"; did you mean "tunnel"? Installed: {installed}'
    )
    assert one_error(appliance, "[plugins.slack]") == (
        f'chainwright.toml: [plugins.slack]: no plugin is named "slack"; installed: {installed}'
    )


def test_a_plugin_without_such_a_module_says_what_it_registers(appliance: ToyAppliance):
    appliance.drop_in("bundle", STUNNEL)
    assert one_error(appliance, "[modules.bundle]") == (
        'chainwright.toml: [modules.bundle]: the plugin "bundle" registers no module of that name; '
        "it registers: module stunnel"
    )


def test_all_errors_of_all_files_are_told_at_once(appliance: ToyAppliance):
    appliance.settings("sources = 5\nplugin = 1\n[modules.tunnel]\nport = 0\nmode = 1\n[probe]\nhandshakes = 0\n")
    appliance.settings("[services.tunneld]\nstart = 3\n[[modules.tunnel.sites]]\n[deploy]\nkeep = 0\n", "conf.d/a.toml")
    assert refused(appliance) == [
        'chainwright.toml: sources: must be a list, for example ["a", "b"]',
        "chainwright.toml: [probe] handshakes: must be at least 1",
        "conf.d/a.toml: [deploy] keep: must be at least 1",
        f'chainwright.toml: plugin: unknown key; did you mean "plugins"? Allowed: {TOP_KEYS}',
        "chainwright.toml: [modules.tunnel] port: must be at least 1",
        "chainwright.toml: [modules.tunnel] mode: must be 'fast' or 'safe'",
        "conf.d/a.toml: [modules.tunnel] sites[#1].domains: is missing",
        "conf.d/a.toml: [services.tunneld] start: must be true or false",
    ]


# Files that can't be read or believed


def test_broken_files_are_named_all_at_once_with_line_and_column(appliance: ToyAppliance):
    appliance.settings("a = 1\nb = = 2\n")
    appliance.settings('x = "', "conf.d/1.toml")
    (appliance.layout.conf_d / "2.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    (appliance.layout.conf_d / "3.toml").mkdir()
    appliance.settings(f"a = {'[' * 5000}", "conf.d/4.toml")
    appliance.settings("a = 1\na = 2\n", "conf.d/5.toml")
    assert refused(appliance) == [
        "chainwright.toml: line 2, column 5: invalid value",
        "conf.d/1.toml: line 1, column 6: unterminated string",
        "conf.d/2.toml: line 2 is not UTF-8 text",
        "conf.d/3.toml: it can't be read: Is a directory",
        "conf.d/4.toml: its arrays or tables are nested too deeply",
        "conf.d/5.toml: line 2, column 6: cannot overwrite a value",
    ]


def test_a_file_that_everyone_can_write_to_is_refused(appliance: ToyAppliance):
    path = appliance.settings("", mode=0o666)
    assert refused(appliance) == [f"chainwright.toml: every user can write to it (mode 0666); chmod go-w {path}"]


def test_a_directory_that_everyone_can_write_to_is_refused(appliance: ToyAppliance):
    directory = appliance.settings("", "conf.d/a.toml").parent
    directory.chmod(0o777)
    assert refused(appliance) == [f"conf.d: every user can write to it (mode 0777); chmod go-w {directory}"]


def test_a_file_that_its_group_can_write_to_is_refused(appliance: ToyAppliance):
    path = appliance.settings("", mode=0o664)
    assert refused(appliance) == [f"chainwright.toml: its group can write to it (mode 0664); chmod go-w {path}"]


@pytest.mark.parametrize("place", ["etc/chainwright", "etc"])
def test_a_directory_at_any_height_that_others_can_write_to_is_refused(appliance: ToyAppliance, place: str):
    appliance.settings("", "conf.d/a.toml")
    appliance.settings("")
    parent = appliance.root / place
    parent.chmod(0o775)
    why = f"its group can write to the directory {parent} (mode 0775); chmod go-w {parent}"
    assert refused(appliance) == [f"chainwright.toml: {why}", f"conf.d: {why}"]


@pytest.mark.root
def test_a_file_of_another_user_is_refused(appliance: ToyAppliance):
    path = appliance.settings("")
    os.chown(path, 65534, 65534)
    why = f"it belongs to the user 65534, not to root; chown -h root {path}"
    assert refused(appliance) == [f"chainwright.toml: {why}"]


def test_a_link_to_settings_elsewhere_is_followed_where_nobody_else_can_write(appliance: ToyAppliance):
    path = appliance.settings("sources = []\n")
    elsewhere = appliance.root / "srv"
    elsewhere.mkdir()
    path.rename(elsewhere / "chainwright.toml")
    path.symlink_to("../../srv/chainwright.toml")
    assert "sources" in refused(appliance)[0]
    elsewhere.chmod(0o777)
    why = f"every user can write to the directory {elsewhere} (mode 0777); chmod go-w {elsewhere}"
    assert refused(appliance) == [f"chainwright.toml: {why}"]


def test_a_secret_file_in_a_directory_that_others_can_write_to_is_refused(appliance: ToyAppliance):
    path = appliance.secret("/etc/secrets/password", "s3cret")
    path.parent.chmod(0o777)
    assert one_error(appliance, '[modules.tunnel]\npassword_file = "/etc/secrets/password"') == (
        f"chainwright.toml: [modules.tunnel] password_file: the file {path} is not safe: "
        f"every user can write to the directory {path.parent} (mode 0777); chmod go-w {path.parent}"
    )


def test_a_dangling_link_is_an_error_and_not_the_default(appliance: ToyAppliance):
    appliance.layout.settings.symlink_to("nowhere")
    assert refused(appliance) == ["chainwright.toml: it can't be read: No such file or directory"]


# Secrets


def test_a_secret_comes_from_a_file_of_its_own(appliance: ToyAppliance):
    appliance.secret("/etc/keys/password", "s3cret\n")
    appliance.secret("/etc/keys/token", "t0ken")
    appliance.settings("""
        [modules.tunnel]
        password_file = "/etc/keys/password"
        [[modules.tunnel.sites]]
        domains = ["a.test"]
        token_file = "/etc/keys/token"
        [modules.tunnel.users.joe]
        domains = ["b.test"]
        token_file = "/etc/keys/token"
    """)
    found, _ = appliance.load()
    tunnel = found.modules["tunnel"]
    assert tunnel.password.reveal() == "s3cret"
    assert tunnel.sites[0].token.reveal() == "t0ken"
    assert tunnel.users["joe"].token.reveal() == "t0ken"
    assert "s3cret" not in repr(found)
    assert "t0ken" not in repr(found)


def test_a_secret_may_be_in_a_private_settings_file(appliance: ToyAppliance):
    appliance.settings(
        '[modules.tunnel]\npassword = "s3cret"\ntokens = ["a", "b"]\n', "conf.d/secrets.toml", mode=0o600
    )
    tunnel = appliance.load()[0].modules["tunnel"]
    assert tunnel.password.reveal() == "s3cret"
    assert [each.reveal() for each in tunnel.tokens] == ["a", "b"]


def test_a_secret_in_a_file_that_others_can_read_is_refused_and_not_shown(appliance: ToyAppliance):
    path = appliance.settings("""
        [modules.tunnel]
        password = "s3cret"
        tokens = ["s3cret"]
        [[modules.tunnel.sites]]
        domains = ["a.test"]
        token = "s3cret"
    """)
    why = "a secret may not be in a file that other users can read"
    assert refused(appliance) == [
        f'chainwright.toml: [modules.tunnel] password: {why}: write password_file = "PATH", or: chmod 600 {path}',
        f'chainwright.toml: [modules.tunnel] sites[#1].token: {why}: write token_file = "PATH", or: chmod 600 {path}',
        f"chainwright.toml: [modules.tunnel] tokens[#1]: {why}: chmod 600 {path}",
    ]


def test_a_secret_file_that_others_can_read_is_refused(appliance: ToyAppliance):
    path = appliance.secret("/etc/password", "s3cret", mode=0o640)
    assert one_error(appliance, '[modules.tunnel]\npassword_file = "/etc/password"') == (
        f"chainwright.toml: [modules.tunnel] password_file: the file {path} is not safe: "
        f"other users have access to it (mode 0640); chmod 600 {path}"
    )


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ('"password"', 'must be an absolute path in quotes, without ".."'),
        ('"/etc/../password"', 'must be an absolute path in quotes, without ".."'),
        ('"//password"', 'must be an absolute path in quotes, without ".."'),
        ("5", 'must be an absolute path in quotes, without ".."'),
        ('"/gone"', "the file ROOT/gone can't be read: No such file or directory"),
        ('"/empty"', "the file ROOT/empty is empty"),
        ('"/binary"', "the file ROOT/binary is not UTF-8 text"),
    ],
)
def test_a_secret_file_that_is_no_use_is_named(written: str, cause: str, appliance: ToyAppliance):
    appliance.secret("/empty", "\n")
    appliance.secret("/binary", "").write_bytes(b"\xff")
    error = one_error(appliance, f"[modules.tunnel]\npassword_file = {written}")
    assert error.replace(str(appliance.root), "ROOT") == f"chainwright.toml: [modules.tunnel] password_file: {cause}"


def test_a_secret_is_given_one_way_only(appliance: ToyAppliance):
    appliance.settings('[modules.tunnel]\npassword = "s3cret"\npassword_file = "/etc/password"\n', mode=0o600)
    assert refused(appliance) == [
        "chainwright.toml: [modules.tunnel] password_file: is set beside password: set one of the two"
    ]


# config show


def test_effective_settings_are_shown_with_their_origin_and_secrets_masked(appliance: ToyAppliance):
    main = appliance.settings("""
        hostname = "gw.example.test"
        [modules.tunnel]
        password_file = "/etc/password"
        [[modules.tunnel.sites]]
        domains = ["a.test"]
        upstream = "http://10.0.0.5:8080"
    """)
    extra = appliance.settings("[source.local]\nlifetime_days = 30\n", "conf.d/a.toml")
    appliance.secret("/etc/password", "s3cret")
    tables = shown_tables(appliance.load()[0])
    text = "\n".join(toml_lines(tables, origin=True))
    assert (
        text
        == f"""\
sources = ["uploaded", "acme", "local"]  # default
hostname = "gw.example.test"  # {main}
# addresses is not set  # default
wildcards = []  # default

[root]
# subject is not set  # default
# organization is not set  # default
lifetime_days = 3650  # default
key_type = "ecdsa-p256"  # default
overlap_days = 90  # default

[probe]
interval = 900  # default
observe_seconds = 60  # default
handshakes = 3  # default
timeout = 10.0  # default

[deploy]
keep = 3  # default

[fetch]
private = false  # default

[resolve]
interval = 60  # default
timeout = 3.0  # default

[dane]
check = true  # default
resolvers = []  # default

[dns01]
resolvers = []  # default
seconds = 120  # default

[modules.tunnel]
enabled = true  # default
plugin = "tunnel"  # default
# sources is not set  # default
# key_type is not set  # default
key = "new"  # default
keep_for = "400 days"  # default
# pin is not set  # default
# wildcards is not set  # default
# window is not set  # default
start = false  # default
port = 993  # default
mode = "safe"  # default
share = 0.5  # default
password = "********"  # {main}
tokens = []  # default
broken = ""  # default

[[modules.tunnel.sites]]
domains = ["a.test"]  # {main}
upstream = "http://10.0.0.5:8080"  # {main}
# token is not set  # default

[modules.tunnel.users]

[services.tunneld]
start = false  # default
binary = "/usr/sbin/tunneld"  # default
crash = 1  # default

[source.uploaded]
lifetime_days = 90  # default

[acme]
lifetime_days = 90  # default

[source.local]
lifetime_days = 30  # {extra}"""
    )
    assert tables[8].to_json()["table"] == ["modules", "tunnel"]
    assert tables[8].to_json()["values"]["password"] == {"value": "********", "origin": str(main)}


def test_what_is_shown_is_toml_whatever_characters_a_text_has(appliance: ToyAppliance):
    odd = 'quote " backslash \\ tab \t del \x7f \U0001f512 '
    escaped = "".join(f"\\U{ord(each):08x}" for each in odd)
    appliance.settings(f'[modules.tunnel]\npin = "{escaped}"\n[modules.tunnel.users."a b"]\ndomains = ["a.test"]\n')
    lines = list(toml_lines(shown_tables(appliance.load()[0]), origin=False))
    assert tomllib.loads("\n".join(lines))["modules"]["tunnel"]["pin"] == odd
    assert '[modules.tunnel.users."a b"]' in lines
    assert all(line.isprintable() for line in lines)


def test_every_installed_plugin_can_be_listed_while_most_are_off(appliance: ToyAppliance):
    appliance.drop_in("stunnel", STUNNEL)
    appliance.settings("[modules.tunnel]\n")
    states = {each.name: each.state for each in load_all(appliance.layout, BUILT_IN).plugins}
    assert (states["tunnel"], states["stunnel"]) == ("on", "off")


# Whatever is written

words = st.sampled_from([
    "modules", "tunnel", "services", "tunneld", "source", "local", "dns", "sources", "plugins", "hostname", "addresses", "root",
    "probe", "deploy", "fetch", "sites", "users", "domains", "token", "token_file", "password", "password_file", "tokens",
    "enabled", "plugin", "port", "window", "key_type", "upstream", "interval", "subject", "/etc/x", "a.example.test", "gone",
    "192.0.2.1",
])  # fmt: skip
texts = words | st.text(max_size=8)
scalars = (
    texts
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.dates(min_value=date(1970, 1, 1))
    | st.datetimes()
    | st.times()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
tables = st.dictionaries(texts, values, max_size=6)
instances = st.fixed_dictionaries(
    {},
    optional={
        "modules": st.fixed_dictionaries({}, optional={"tunnel": tables, "x": tables}) | values,
        "services": st.fixed_dictionaries({"tunneld": tables | values}) | values,
        "source": st.fixed_dictionaries({"local": tables | values}) | values,
        "sources": values,
        "root": tables,
        "probe": tables,
    },
)


@pytest.fixture(scope="module")
def loaded():
    """Return one registry for all examples: they differ only in what is written."""
    with tempfile.TemporaryDirectory() as root:
        toy = ToyAppliance(Path(root))
        toy.drop_in("tunnel", TUNNEL)
        yield toy.layout, toy.registry("tunnel")


@given(first=tables | instances, second=instances, private=st.booleans())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_mapping_is_settings_or_refused(first, second, private, loaded: tuple[Layout, Registry]):
    layout, registry = loaded
    one, two = Path("/one.toml"), Path("/two.toml")
    tree = merge([(one, first), (two, second)], main=one, private=[one] if private else [])
    try:
        found = build(tree, registry, layout)
    except SettingsRefused as error:
        refusal = error
    else:
        assert tomllib.loads("\n".join(toml_lines(shown_tables(found), origin=False)))
        return
    assert refusal.errors
    assert all(str(each).isprintable() for each in refusal.errors)


@given(content=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@settings(deadline=None, max_examples=200)
def test_any_content_of_a_file_is_read_or_refused(content: bytes):
    with tempfile.TemporaryDirectory() as root:
        layout = Layout(Path(root))
        layout.etc.mkdir(parents=True)
        layout.settings.write_bytes(content)
        with contextlib.suppress(SettingsRefused):
            read_settings(layout)
