"""What the documentation says is what the code does."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import chainwright
from agent.cli.exit_codes import BUSY, DEGRADED, DONE, DUE, FAILED, INTERRUPTED, USAGE
from agent.config.loading import load
from agent.config.settings import (
    CoreSettings,
    DaneSettings,
    DeploySettings,
    Dns01Settings,
    FetchSettings,
    ProbeSettings,
    ResolveSettings,
    RootSettings,
)
from agent.config.table_validation import InstanceHeader
from agent.model.deployment import Outcome, Step
from agent.pki.key import KeyType
from agent.registry.contract_checks import CORE_KEYS
from agent.registry.implementations import hook_arguments
from agent.registry.life_hooks import MODULE_HOOKS
from agent.report import ModuleState, Status
from agent.sources import BUILT_IN, LocalSource
from agent.system.layout import Layout
from chainwright import Context, Format, Module, Part, Service
from plugins import ikev2, mail
from support.pages import (
    all_commands,
    bounds,
    command_reference,
    compare,
    error_tables,
    hook_reference,
    hook_section,
    public_names,
    read,
    rows,
    section,
    status_problems,
    words,
    written,
)
from support.paths import CHECKOUT
from test_the_layers import ROOMS

PAGES = sorted(path.relative_to(CHECKOUT) for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")))
# Made from the code


def test_every_hook_is_documented_with_its_exact_signature():
    compare("docs/plugins/hooks.md", "hooks", hook_reference())


def test_a_hook_s_section_names_signature_method_and_example():
    text = hook_section("declare_needs")
    assert "declare_needs(asked: Module, host: HostFacts) -> list[Need]\n" in text
    assert "A plain method of: `Module`." in text


def test_every_public_name_is_listed():
    compare("docs/plugins/names.md", "names", public_names())


def test_every_code_is_documented_with_an_example():
    compare("docs/errors.md", "errors", error_tables())


def test_nothing_that_the_status_says_is_left_out():
    texts = [path.read_text() for path in (CHECKOUT / "agent/health").glob("*.py")]
    codes = re.findall(r'"(status\.\w+)"', "\n".join(texts))
    assert set(codes) == {problem.code for problem in status_problems()}


def test_every_command_is_documented():
    compare("docs/commands.md", "commands", command_reference())


def commands_of_plugins() -> set[str]:
    found = set()
    for plugin in (ikev2, mail):
        group = click.Group()
        plugin.register_commands(group, Unasked())
        found |= {f"{plugin.__name__.removeprefix('plugins.')} {name}" for name in group.commands}
    return found


class Unasked:
    """An appliance that no command uses."""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_that_a_page_names_exists(page: Path):
    known = {name for name, _command in all_commands()} | {"COMMAND"} | commands_of_plugins()
    families = {name[: space.start()] for name in known for space in re.finditer(" ", name)}
    for first, second in re.findall(
        r"(?:`|\$ |# |\./run )(?:--root \S+ )?(?:chainwright |(?<=run ))([a-z0-9]+)(?: ([a-z]+))?", read(str(page))
    ):
        assert (f"{first} {second}" if first in families and second else first) in known | families, f"{first} {second}"


# Operation


def states() -> list[list[str]]:
    found = re.split(r"\n\n(?=Of a module)", section("docs/operation.md", "## What the status says"))
    return [[words(row[0])[0] for row in rows(part) if words(row[0])] for part in found]


def test_every_word_of_the_status_is_explained():
    chains, modules = states()
    assert set(chains) == set(Status)
    assert set(modules) == set(ModuleState)


def test_every_exit_code_is_explained():
    table = rows(section("docs/operation.md", "## Exit codes"))
    assert {int(row[0]) for row in table if row[0].isdecimal()} == {
        DONE,
        FAILED,
        USAGE,
        DEGRADED,
        BUSY,
        DUE,
        INTERRUPTED,
    }


# Links


def headings(page: Path) -> set[str]:
    lines = re.sub(r"^```.*?^```", "", read(str(page)), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", lines, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in found}


def links(page: Path) -> Iterator[tuple[str, str]]:
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", read(str(page)), flags=re.M | re.S)):
        if not target.startswith(("http://", "https://")):
            file, _, anchor = target.partition("#")
            yield file, anchor


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path):
    for file, anchor in links(page):
        target = (CHECKOUT / page.parent / file).resolve() if file else CHECKOUT / page
        assert target.exists(), f"{page} links to {file}"
        if anchor:
            assert anchor in headings(target.relative_to(CHECKOUT)), f"{page} links to {file}#{anchor}"


# Settings

TABLES: list[tuple[str, type[BaseModel], set[str]]] = [
    ("## Top level", CoreSettings, {"root", "probe", "deploy", "resolve", "fetch", "dane", "dns01"}),
    ("## `[root]`", RootSettings, set()),
    ("## `[probe]`", ProbeSettings, set()),
    ("## `[deploy]`", DeploySettings, set()),
    ("## `[resolve]`", ResolveSettings, set()),
    ("## `[fetch]`", FetchSettings, set()),
    ("## `[dane]`", DaneSettings, set()),
    ("## `[dns01]`", Dns01Settings, set()),
    ("## `[source.NAME]`", LocalSource, set()),
    ("## `[services.NAME]`", Service, set()),
]


@pytest.mark.parametrize(("heading", "model", "elsewhere"), TABLES)
def test_every_key_of_the_core_is_documented_with_type_and_default(
    heading: str, model: type[BaseModel], elsewhere: set[str]
):
    table = {words(row[0])[0]: row for row in rows(section("docs/settings.md", heading)) if words(row[0])}
    fields = {name: field for name, field in model.model_fields.items() if name not in elsewhere}
    assert set(table) == set(fields)
    for name, field in fields.items():
        assert table[name][2] == written(field.default), name
        assert [bound for bound in bounds(model, name) if bound not in re.findall(r"\d+", table[name][1])] == [], name


def test_every_key_that_each_module_has_is_documented():
    table = {words(row[0])[0]: row for row in rows(section("docs/settings.md", "## `[modules.NAME]`")) if words(row[0])}
    assert set(InstanceHeader.model_fields) == set(CORE_KEYS)
    fields = {**InstanceHeader.model_fields, **Module.model_fields}
    assert {name: row[2] for name, row in table.items()} == {
        name: written(field.default) for name, field in fields.items() if field.default is not PydanticUndefined
    }


def test_every_key_type_is_named():
    text = section("docs/settings.md", "## `[modules.NAME]`")
    assert [each for each in KeyType if f"`{each}`" not in text] == []


EXAMPLES = sorted(path for path in (CHECKOUT / "examples").iterdir() if (path / "chainwright.toml").exists())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_s_settings_can_be_loaded(example: Path, tmp_path: Path):
    shutil.copytree(example, tmp_path / "etc/chainwright")
    settings, _registry = load(Layout(tmp_path), BUILT_IN)
    assert settings.modules
    assert [entry.error for entry in settings.entries.values()] == [None] * len(settings.entries)


def test_the_settings_in_the_text_can_be_loaded(tmp_path: Path):
    (shown, *_) = re.findall(r"```toml\n(.*?)```", read("docs/settings.md"), re.DOTALL)
    (tmp_path / "etc/chainwright").mkdir(parents=True)
    (tmp_path / "etc/chainwright/chainwright.toml").write_text(shown)
    assert set(load(Layout(tmp_path), BUILT_IN)[0].modules) == {"webui", "reverse_proxy"}


# Plugins


def class_attributes(kind: type) -> set[str]:
    return {
        name
        for each in kind.__mro__
        for name, annotation in vars(each).get("__annotations__", {}).items()
        if each.__module__.startswith("agent") and "ClassVar" in str(annotation) and name.islower()
    }


def test_every_class_attribute_and_method_of_a_module_is_documented():
    table = rows(section("docs/plugins/module.md", "# A module"))
    named = {word.partition("(")[0] for row in table for word in words(row[0])}
    assert class_attributes(Module) - {"model_config"} <= named
    assert set(MODULE_HOOKS) <= named


def test_every_method_of_a_service_is_documented():
    named = {
        word.partition("(")[0]
        for row in rows(section("docs/plugins/service.md", "## Methods"))
        for word in words(row[0])
    }
    public = {name for name in vars(Service) if not name.startswith("_")}
    assert named == public - {"model_config", "model_post_init", "group", *Service.model_fields}


def test_every_part_and_format_is_documented():
    text = section("docs/plugins/files.md", "## Files, parts and formats")
    assert [each for each in Part if f"| `{each}` |" not in text] == []
    assert [each for each in Format if f"`Format.{each.name}`" not in text] == []


def test_every_type_of_setting_is_documented():
    named = {word for row in rows(section("docs/plugins/module.md", "## Fields")) for word in words(row[0])}
    assert named == {name for name in chainwright.__all__ if chainwright._HOMES[name] == "agent.contract.fields"}


def test_everything_that_a_context_has_is_documented():
    text = section("docs/plugins/module.md", "## Contexts")
    assert [name for name in Context.__slots__ if f"`{name}" not in text] == []


def test_what_happens_when_it_raises_is_said_of_every_hook():
    named = {word for row in rows(section("docs/plugins/failures.md", "# When it raises")) for word in words(row[0])}
    own = {hook for hook in hook_arguments() if not hook.startswith("register_")}
    assert own - named == set()


def test_the_plugin_of_the_readme_is_the_one_that_is_tested():
    plugin = read("tests/third_party/tunnel.py")
    assert len(plugin.splitlines()) < 40
    assert f"in {len(plugin.splitlines())} lines" in read("README.md")


# Architecture


def test_every_step_of_deploying_is_documented_in_its_order():
    table = rows(section("docs/architecture.md", "## How a generation gets into service"))
    assert [words(row[0])[0] for row in table if words(row[0])] == list(Step)


def test_the_rooms_are_drawn_in_their_order():
    drawn = re.findall(r"^  (\w+)/ ", section("docs/architecture.md", "## Rooms"), re.MULTILINE)
    assert tuple(drawn) == ROOMS


def test_every_outcome_is_named():
    text = section("docs/architecture.md", "## Words")
    assert [each for each in Outcome if f"`{each}`" not in text] == []


def test_the_files_that_are_named_exist():
    named = {
        (page, word)
        for page in PAGES
        for word in re.findall(
            r"`((?:agent|chainwright|plugins|tests|docs|examples|packaging|templates)/[A-Za-z0-9_./]+)`",
            read(str(page)),
        )
    }
    assert [(str(page), word) for page, word in sorted(named) if not (CHECKOUT / word).exists()] == []


# Security


def attacks() -> list[list[str]]:
    found = rows(section("docs/security.md", "## Attacks, and what holds"))
    return [row for row in found if row[0] != "attack"]


@pytest.mark.parametrize("attack", attacks(), ids=lambda row: row[0])
def test_an_attack_names_what_holds_and_a_test_that_exists(attack: list[str]):
    _attack, holds, tested = attack
    assert holds
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", tested)
    assert named, "no `tests/ROOM/test_NAME.py` or `tests/ROOM/test_NAME.py::test_name`"
    for file, test in named:
        assert (CHECKOUT / file).is_file(), file
        assert not test or f"def {test}(" in read(file), f"{file}::{test}"


# Reliability


def trials() -> list[list[str]]:
    found = rows(section("docs/reliability.md", "## What was tried"))
    return [row for row in found if row[0] != "what"]


def test_something_was_tried():
    assert trials()


@pytest.mark.parametrize("trial", trials(), ids=lambda row: row[0][:60])
def test_a_trial_has_figures_and_names_a_command_that_exists(trial: list[str]):
    what, tried, bad, command = trial
    assert what
    assert int(tried.replace(",", "")) > 0
    assert int(bad.partition(" ")[0].replace(",", "")) >= 0
    assert bad == "0" or " " in bad, "what is bad is known and open: the row says it"
    commands = words(command)
    assert commands, "no `command`"
    for each in commands:
        assert_it_can_be_run(each)


def assert_it_can_be_run(command: str) -> None:
    """Check that a command runs a test, script or module of this tree."""
    program, *arguments = command.split()
    if program == ".venv/bin/python" and arguments[:1] == ["-m"]:
        place = CHECKOUT / arguments[1].replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), command
        return
    assert program in {".venv/bin/python", ".venv/bin/pytest"}, f"{command}: neither pytest nor python"
    named = [each for each in arguments if each.startswith(("tests", "bench"))]
    assert named, f"{command} names nothing of this tree"
    for each in named:
        file, _, test = each.partition("::")
        assert (CHECKOUT / file).exists(), f"{command}: there is no {file}"
        assert not test or f"def {test.partition('[')[0]}(" in read(file), f"{command}: there is no {test}"
