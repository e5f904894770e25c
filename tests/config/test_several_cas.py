"""Tables of several CAs: ``[[acme]]``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.config.loading import load
from agent.config.settings import Settings
from agent.config.shown import shown_tables, toml_lines
from agent.errors.account import ExternalAccountRefused, RekeyUnfinished
from agent.errors.settings import SettingsRefused
from agent.sources import BUILT_IN
from support.appliances.toy import ToyAppliance

TWO = """
    [[acme]]
    contact = "a@example.com"
    [[acme]]
    name = "zerossl"
    directory = "zerossl"
    [acme.external_account]
    kid = "k1"
    hmac_key = "c2VjcmV0"
"""


@pytest.fixture
def appliance(tmp_path: Path) -> ToyAppliance:
    return ToyAppliance(tmp_path)


def loaded(appliance: ToyAppliance, *files: str) -> Settings:
    for number, text in enumerate(files):
        appliance.settings(text, f"conf.d/{number}.toml").chmod(0o600)
    return load(appliance.layout, BUILT_IN)[0]


def refused(appliance: ToyAppliance, *files: str) -> list[str]:
    with pytest.raises(SettingsRefused) as raised:
        loaded(appliance, *files)
    return [str(error).rpartition("conf.d/")[2] for error in raised.value.errors]


def directories(found: Settings) -> dict[str, str]:
    return {name: rung.origin for name, rung in found.rungs.items() if rung.group == "acme"}


def test_the_tables_stand_in_the_ladder_in_their_order_where_acme_is_named(appliance: ToyAppliance):
    found = loaded(appliance, TWO)
    assert list(found.rungs) == ["uploaded", "acme", "zerossl", "local"]
    assert [each.group for each in found.rungs.values()] == ["uploaded", "acme", "acme", "local"]
    assert directories(found) == {
        "acme": "https://acme-v02.api.letsencrypt.org/directory",
        "zerossl": "https://acme.zerossl.com/v2/DV90",
    }
    assert found.rungs["zerossl"].authority == "ZeroSSL"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[acme]", {"acme": "[acme]"}),
        ('[acme]\nname = "le"', {"le": "[acme]"}),
        ("[[acme]]", {"acme": "[[acme]]"}),
        (TWO, {"acme": "the first [[acme]]", "zerossl": '[[acme]] name = "zerossl"'}),
    ],
)
def test_what_is_said_of_a_table_names_the_one_that_is_meant(appliance: ToyAppliance, text: str, names: dict[str, str]):
    rungs = loaded(appliance, text).rungs.values()
    cas = {each.name: each for each in rungs if each.group == "acme"}
    assert {name: each.of_its_table("[acme]") for name, each in cas.items()} == names
    below = {
        name: "[acme.limits]" if table == "[acme]" else f"[acme.limits] of {table}" for name, table in names.items()
    }
    assert {name: each.of_its_table("[acme.limits]") for name, each in cas.items()} == below


def test_errors_of_one_of_several_cas_name_its_table(appliance: ToyAppliance):
    source = loaded(appliance, TWO).rungs["zerossl"]
    with pytest.raises(ExternalAccountRefused) as raised, source.naming_its_table():
        raise ExternalAccountRefused("ZeroSSL", "k1", "unknown")
    problem = raised.value.problem
    assert problem.where == "zerossl"
    where = '[acme.external_account] of [[acme]] name = "zerossl"'
    assert problem.fix == f"Correct kid, hmac_key and algorithm in {where}; they may be too old, then get new ones."


def test_commands_about_an_account_name_the_ca_where_there_are_several(appliance: ToyAppliance):
    unfinished = RekeyUnfinished("ZeroSSL")
    with pytest.raises(RekeyUnfinished) as raised, loaded(appliance, TWO).rungs["zerossl"].naming_its_table():
        raise unfinished
    assert raised.value.problem.fix == "Finish it, and go on with the orders: chainwright acme rekey --ca zerossl"
    alone = loaded(appliance, "[acme]").rungs["acme"]
    assert (
        alone.of_its_table(RekeyUnfinished("x").fix) == "Finish it, and go on with the orders: chainwright acme rekey"
    )


def test_one_table_may_have_a_name_of_its_own(appliance: ToyAppliance):
    assert list(loaded(appliance, '[acme]\nname = "le"').rungs) == ["uploaded", "le", "local"]


def test_other_files_merge_tables_by_their_names(appliance: ToyAppliance):
    found = loaded(
        appliance,
        '[acme]\ncontact = "a@example.com"\nprofile = "tlsserver"',
        '[[acme]]\nname = "google"\ndirectory = "google-staging"\nprofile = "x"',
        '[[acme]]\nname = "google"\ndirectory = "google"\n[[acme]]\nname = "actalis"\ndirectory = "actalis"',
        '[acme]\nprofile = "classic"',
    )
    sources = {name: rung.source for name, rung in found.rungs.items() if rung.group == "acme"}
    assert list(sources) == ["acme", "google", "actalis"]
    assert (sources["acme"].contact, sources["acme"].profile) == (("a@example.com",), "classic")
    assert (sources["google"].directory, sources["google"].profile) == ("google", "x")
    origins = {key: path.name for key, path in found.origins.values.items() if key[0] == "acme"}
    assert origins == {
        ("acme", 0, "contact"): "0.toml",
        ("acme", 0, "profile"): "3.toml",
        ("acme", 1, "name"): "2.toml",
        ("acme", 1, "directory"): "2.toml",
        ("acme", 1, "profile"): "1.toml",
        ("acme", 2, "name"): "2.toml",
        ("acme", 2, "directory"): "2.toml",
    }


def test_what_is_shown_can_be_written_into_a_file_again(appliance: ToyAppliance):
    found = loaded(appliance, TWO)
    text = "\n".join(toml_lines(shown_tables(found), origin=False))
    tables = tomllib.loads(text)["acme"]
    assert [(each.get("name"), each["directory"]) for each in tables] == [(None, "letsencrypt"), ("zerossl", "zerossl")]
    assert tables[1]["external_account"]["hmac_key"] == "********"
    origin = {each.key: each.values for each in shown_tables(found) if each.key and each.key[0] == "acme"}
    assert origin["acme", 1]["directory"].origin.endswith("0.toml")
    assert origin["acme", 1]["contact"].origin == "default"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("acme = 3", "acme: must be a table: [acme]"),
        ("acme = [3]", "acme: must be a table: [acme]"),
        (
            "[[acme]]\n[[acme]]\n",
            'acme[#2]: needs a name, for example name = "google": only the first table may do without',
        ),
        ('[[acme]]\n[[acme]]\nname = "acme"', 'acme[#2].name: there is another source that is named "acme"'),
        (
            '[acme]\n[[acme]]\nname = "b"',
            (
                "line 2, column 7: cannot overwrite a value: [acme] and [[acme]] can't be in one file; "
                "write [[acme]] for each of several"
            ),
        ),
        ('[[acme]]\nname = "local"', 'acme[#1].name: there is another source that is named "local"'),
        (
            '[[acme]]\nname = "My CA"',
            'acme[#1].name: the name of a source must be lower-case letters, digits, "_" or "-", at most 64',
        ),
        ("[[acme]]\nname = 3", "acme[#1].name: must be a text in quotes"),
        (
            '[[acme]]\n[[acme]]\nname = "b"',
            'acme[#2]: asks https://acme-v02.api.letsencrypt.org/directory, as "acme" does: each table is another CA',
        ),
        (
            'sources = ["b", "local"]\n[[acme]]\n[[acme]]\nname = "b"\ndirectory = "google"',
            'sources: names "b", one of the tables [[acme]]: write "acme", which stands for all of them in their order',
        ),
    ],
)
def test_each_mistake_is_told_where_it_is(appliance: ToyAppliance, text: str, error: str):
    assert refused(appliance, text) == [f"0.toml: {error}"]


@pytest.mark.parametrize("key", ["+/+/", "-_-_", "c2VjcmV0MQ==", "c2VjcmV0MQ"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_keys_of_external_accounts_are_taken_in_any_base64(appliance: ToyAppliance, key: str, algorithm: str):
    table = f'[acme.external_account]\nkid = "k"\nhmac_key = "{key}"\nalgorithm = "{algorithm}"'
    account = loaded(appliance, table).rungs["acme"].source.external_account
    assert account.hmac_key.reveal() == key.rstrip("=").replace("+", "-").replace("/", "_")
    assert account.algorithm == algorithm


def test_a_name_that_is_no_text_is_told_beside_what_else_is_wrong(appliance: ToyAppliance):
    assert refused(appliance, 'sources = ["nobody"]\n[[acme]]\nname = ["x"]') == [
        "0.toml: acme[#1].name: must be a text in quotes",
        '0.toml: sources: no source is named "nobody"; known: acme, local, uploaded',
    ]
