"""Tables of the built-in DNS solvers, as they are read and shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.loading import load
from agent.config.shown import shown_tables, toml_lines
from agent.errors.settings import SettingsRefused
from agent.system.layout import Layout
from support.appliances.toy import BUILT_IN

SECRET = "s3cret-of-the-service"
TABLES = f"""
[dns.registrar]
plugin = "command"
zones = ["example.com"]
convention = "acme.sh"
script = "dns_cf"
environment = {{ CF_Token = "{SECRET}" }}

[dns.lexicon]
provider = "cloudflare"
zones = ["example.net"]
options = {{ auth_token = "{SECRET}" }}

[dns.acme_dns]
url = "https://auth.example.org"
zones = ["example.org"]

[dns.acme_dns.registrations."gw.example.org"]
username = "eabcdb41-d89f-4580-826f-3e62e9755ef2"
password = "{SECRET}"
subdomain = "d420c923"
fulldomain = "d420c923.auth.example.org"
"""


def layout(directory: Path, mode: int) -> Layout:
    file = directory / "etc/chainwright/chainwright.toml"
    file.parent.mkdir(parents=True)
    file.write_text(TABLES)
    file.chmod(mode)
    return Layout(directory)


def test_tables_are_read_and_shown_without_their_secrets(tmp_path: Path) -> None:
    settings, _registry = load(layout(tmp_path, 0o600), BUILT_IN)
    solvers = settings.dns_solvers
    assert {name: each.plugin for name, each in solvers.items()} == {
        "acme_dns": "acme_dns",
        "lexicon": "lexicon",
        "registrar": "command",
    }
    assert solvers["registrar"].solver.environment["CF_Token"].reveal() == SECRET
    shown = "\n".join(toml_lines(shown_tables(settings), origin=False))
    assert "dns_cf" in shown
    assert SECRET not in shown


def test_a_file_that_others_may_read_holds_no_credentials(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load(layout(tmp_path, 0o644), BUILT_IN)
    said = str(refused.value)
    for key in ("environment.CF_Token", "options.auth_token", "password"):
        assert key in said
    assert SECRET not in said
