"""What docs/acme.md says is what the code does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from agent.config.loading import load
from agent.errors.http01 import AnsweredByAnother
from agent.errors.source import SourceError
from agent.sources import BUILT_IN, AcmeSource
from agent.sources.acme.limit_rules import FAILURES, LimitSettings
from agent.sources.acme.self_test import PATH
from agent.sources.acme.values import ExternalAccount
from agent.system.layout import Layout
from errors.test_every_error import CLASSES, is_concrete
from support.pages import bounds, rows, section, words, written
from support.paths import CHECKOUT

PAGE = "docs/acme.md"
TABLES = [
    ("## Settings", 0, AcmeSource),
    ("## Settings", 1, ExternalAccount),
    ("## Settings", 2, LimitSettings),
]
OF_THE_CORE = {"source.crashed", "source.cancelled", "source.held", "source.key_given_up", "source.not_revocable"}
"""Of every source."""
ON_OTHER_PAGES = ("agent.errors.dns", "agent.errors.persist", "plugins.")
"""Modules whose errors are told of where records are: docs/dns.md, docs/wildcards.md, and the pages of the solvers."""
ALL = "all of them, in this order"


def default_of(default: object) -> str:
    if default is PydanticUndefined:
        return ""
    return "empty" if isinstance(default, BaseModel) else written(default)


@pytest.mark.parametrize(("heading", "number", "model"), TABLES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_setting_is_documented_with_its_default(heading: str, number: int, model: type[BaseModel]):
    tables = re.findall(r"(?:^\|.*\n)+", section(PAGE, heading), re.MULTILINE)
    table = {words(row[0])[0]: row for row in rows(tables[number]) if words(row[0])}
    wanted = {name: default_of(field.default) for name, field in model.model_fields.items()}
    if model is AcmeSource:
        wanted |= {"name": written(AcmeSource.name), "challenges": ALL}
    assert {name: row[2] for name, row in table.items()} == wanted
    for name in table.keys() & model.model_fields.keys():
        assert [each for each in bounds(model, name) if each not in re.findall(r"\d+", table[name][1])] == [], name


def test_every_error_of_a_ca_is_named():
    listed = re.findall(r"`(source\.\w+)`", section(PAGE, "## When it fails"))
    errors = [each for each in CLASSES if issubclass(each, SourceError) and is_concrete(each)]
    codes = {each.code for each in errors if not each.__module__.startswith(ON_OTHER_PAGES)}
    assert sorted(listed) == sorted(codes - OF_THE_CORE - {SourceError.code})


def test_every_error_of_records_is_named():
    listed = re.findall(r"`(source\.\w+)`", section("docs/dns.md", "## When it fails"))
    assert sorted(listed) == sorted(
        each.code for each in CLASSES if each.__module__ == "agent.errors.dns" and is_concrete(each)
    )


def test_the_settings_in_the_text_can_be_loaded(tmp_path: Path):
    for number, shown in enumerate(re.findall(r"```toml\n(.*?)```", (CHECKOUT / PAGE).read_text(), re.DOTALL)):
        root = tmp_path / str(number)
        secrets = root / "etc/chainwright/secrets"
        secrets.mkdir(parents=True)
        for name in ("zerossl", "google"):
            (secrets / name).write_text("c2VjcmV0")
            (secrets / name).chmod(0o600)
        (root / "etc/chainwright/chainwright.toml").write_text(shown)
        settings, _registry = load(Layout(root), BUILT_IN)
        assert isinstance(settings.rungs["acme"].source, AcmeSource)


def test_the_lines_for_web_servers_name_what_the_agent_serves():
    webroot = str(Layout(Path("/")).webroot)
    lines = re.findall(r"```(?:nginx|apache)\n(.*?)```", (CHECKOUT / PAGE).read_text(), re.DOTALL)
    assert len(lines) == 2
    assert all(PATH in each and f'"{webroot}/"' in each for each in lines)
    error = AnsweredByAnother({"a.example.com": "404"}, 80, Path(webroot), datetime.now(UTC), server="nginx")
    assert lines[0].strip() in error.problem.fix


def test_the_failures_that_are_promised_are_those_that_are_kept():
    assert (FAILURES.count, FAILURES.window.total_seconds()) == (4, 3600)
    assert "after four failures within an hour" in section(PAGE, "## Limits")
