"""Which versions of the contract a plugin may be written for, and what it is told of names that will go away."""

from pathlib import Path
from textwrap import dedent

import pytest

import chainwright
from agent.contract.version import DEPRECATED, Deprecation
from agent.errors.plugin_loading import VersionRefused
from agent.registry.contract_checks import Owner
from agent.registry.implementations import hook_arguments
from agent.registry.plugins import Registry
from agent.registry.versions import check_version
from support.appliances.toy import BUILT_IN, STUNNEL, ToyAppliance

MAJOR, MINOR = chainwright.CONTRACT
UPDATE = "Update Chainwright, or install an older release of the plugin"


@pytest.fixture
def appliance(tmp_path: Path) -> ToyAppliance:
    return ToyAppliance(tmp_path)


def written_for(appliance: ToyAppliance, api: str, line: str = "api = {}") -> str:
    """Install a plugin that says `api`; return what it is refused with, empty where it works."""
    path = appliance.drop_in("stunnel", f"import chainwright\n{line.format(api)}\n" + dedent(STUNNEL))
    (record,) = (each for each in appliance.registry("stunnel").plugins if each.name == "stunnel")
    assert record.state == ("broken" if record.errors else "on")
    return "\n".join(map(str, record.errors)).replace(str(path), "FILE")


@pytest.mark.parametrize("api", ["1", "(1, 0)", "chainwright.CONTRACT"])
def test_a_plugin_for_this_version_works(appliance: ToyAppliance, api: str):
    assert written_for(appliance, api) == ""


def test_one_that_says_none_is_of_the_first_version(appliance: ToyAppliance):
    assert written_for(appliance, "", line="{}") == ""


@pytest.mark.parametrize(
    ("api", "wanted", "cure"),
    [
        ("2", "2.0", UPDATE),
        ("(2, 1)", "2.1", UPDATE),
        (f"({MAJOR}, {MINOR + 1})", f"{MAJOR}.{MINOR + 1}", UPDATE),
        ("0", "0.0", "Update the plugin"),
        ("(0, 9)", "0.9", "Update the plugin"),
    ],
)
def test_another_version_is_refused_with_both_numbers_and_what_to_do(
    appliance: ToyAppliance, api: str, wanted: str, cure: str
):
    assert written_for(appliance, api) == (
        f'plugin "stunnel" (FILE:2): It is written for version {wanted} of the plugin contract, '
        f"and this agent keeps version {MAJOR}.{MINOR}.\n"
        f"It is disabled, everything else goes on. {cure}, then: chainwright plugins"
    )


@pytest.mark.parametrize(
    ("api", "kind"), [("'1'", "str"), ("1.0", "float"), ("True", "bool"), ("(1,)", "tuple"), ("[1, 0]", "list")]
)
def test_what_is_no_version_is_refused(appliance: ToyAppliance, api: str, kind: str):
    assert written_for(appliance, api) == (
        f'plugin "stunnel" (FILE:2): Its "api" is an object of type {kind}, '
        "and must be the version of the plugin contract: api = 1.\n"
        "It is disabled, everything else goes on. Correct it in the plugin, then: chainwright plugins"
    )


class Installed:
    """What an entry point names, where it isn't a module."""

    api = (1, 3)


def test_an_agent_keeps_the_older_minor_versions_of_its_major():
    owner = Owner("vpn", "chainwright-vpn 1.0")
    check_version(owner, Installed(), contract=(1, 3))
    check_version(owner, Installed(), contract=(1, 4))
    with pytest.raises(VersionRefused) as refused:
        check_version(owner, Installed, contract=(2, 0))
    line = f"{__file__}:{API_LINE}"
    assert str(refused.value) == (
        f'plugin "vpn" (chainwright-vpn 1.0, {line}): It is written for version 1.3 of the plugin contract, '
        "and this agent keeps version 2.0.\n"
        "It is disabled, everything else goes on. Update the plugin, then: chainwright plugins"
    )


API_LINE = next(
    number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line == "    api = (1, 3)"
)


# Hooks of a later version


OPTIONAL = """
@hookimpl({})
def register_flux_capacitors(flux):
    return []
"""


def test_a_hook_that_this_agent_does_not_have_is_left_out_where_the_plugin_says_that_it_is_optional(
    appliance: ToyAppliance,
):
    assert (
        written_for(appliance, "1" + OPTIONAL.format("optionalhook=True"), "from chainwright import hookimpl; api = {}")
        == ""
    )
    said = written_for(appliance, "1" + OPTIONAL.format(""), "from chainwright import hookimpl; api = {}")
    assert 'There is no hook "register_flux_capacitors"' in said


# What is deprecated

OLD = {
    "ChainFile": Deprecation((1, 2), "KeyFile"),
    "register_modules": Deprecation((1, 3), "register_parts"),
    "reload": Deprecation((1, 4), "renew"),
    "Signal": Deprecation((1, 1), "Kill"),
    "on_event": Deprecation((1, 1), "on_events"),
}


def test_plugins_are_told_by_name_what_they_use_that_goes_away(appliance: ToyAppliance):
    appliance.drop_in("stunnel", STUNNEL)
    registry = Registry.load(appliance.layout, {"stunnel"}, builtin_sources=BUILT_IN, deprecated=OLD)
    (record,) = (each for each in registry.plugins if each.name == "stunnel")
    since = "which is deprecated since version"
    assert record.to_json()["notices"] == [
        f'It uses "ChainFile", {since} 1.2 of the plugin contract: use "KeyFile" instead.',
        f'It uses "register_modules", {since} 1.3 of the plugin contract: use "register_parts" instead.',
        f'It uses "reload", {since} 1.4 of the plugin contract: use "renew" instead.',
    ]
    assert record.state == "on"


def test_what_this_version_deprecates_is_there_and_so_is_what_takes_its_place(appliance: ToyAppliance):
    known = {*chainwright.__all__, *hook_arguments()}
    assert {name for name, each in DEPRECATED.items() if not {name, each.instead} <= known} == set()
    assert all(each.since <= chainwright.CONTRACT for each in DEPRECATED.values())
