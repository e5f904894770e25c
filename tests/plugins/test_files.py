"""Settings of the module that publishes files, and what comes of them."""

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from chainwright import Change, HostFacts, KeyType
from plugins.files import Files
from support.paths import CHECKOUT

HOST = HostFacts(name="gw", addresses=())
COMBINED = {"format": "combined", "path": "/etc/a.pem"}
IN_DIRECTORY = {"names": ["a.example.com"], "directory": "/etc/ssl/a"}


def files(*chains: dict[str, Any], **more: Any) -> Files:
    return Files(chains=chains or ({"names": ["a.example.com"], "files": [COMBINED]},), **more)


def reason(*chains: dict[str, Any], **more: Any) -> str:
    """Return the first reason why these settings are refused."""
    with pytest.raises(ValidationError) as refused:
        files(*chains, **more)
    return refused.value.errors()[0]["msg"].removeprefix("Value error, ")


def with_file(**file: Any) -> str:
    """Return why a file is refused, which would be fine but for these settings."""
    return reason({**IN_DIRECTORY, "files": [{"format": "leaf"}, {"format": "combined", **file}]})


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ({"path": "/etc/a.pem", "mode": "0644"}, "mode 0644 would let every user read the key"),
        ({"format": "leaf-der", "mode": "0644"}, "a file in a directory is read by its group at most"),
        ({"mode": "0660"}, 'must be like "0640"'),
        ({"mode": 640}, 'must be like "0640"'),
        ({"mode": "0044"}, 'must be like "0640"'),
        ({"owner": "games"}, "owner and group are for a copy with path"),
        ({"path": "/etc/a.pem", "name": "a.pem"}, "name is for a file in the directory"),
        ({"password": "secret"}, "only a PKCS#12 file has a password"),
        ({"path": "etc/a.pem"}, "must be an absolute path"),
        ({"format": "bundle"}, "Input should be 'key', 'fullchain'"),
        ({"name": "cert.pem"}, "two files of the directory are called cert.pem"),
    ],
)
def test_a_file_that_can_not_be_is_refused_with_the_reason(file: dict[str, Any], sentence: str):
    assert sentence in with_file(**file)


@pytest.mark.parametrize("kind", ["key", "key-der"])
def test_a_key_apart_from_its_certificate_at_fixed_paths_is_never_published_unsaid(kind: str):
    entry = {
        "names": ["a.example.com"],
        "files": [{"format": "fullchain", "path": "/etc/a.pem"}, {"format": kind, "path": "/etc/a.key"}],
    }
    assert reason(entry) == (
        "/etc/a.key holds the key alone, and is renamed in another instant than its certificate: set directory, whose "
        'files change in one step, or format = "combined"; or separate = true, where the service reads both only when it is '
        "told to"
    )
    assert [each.publish for each in files({**entry, "separate": True}).receive_chains({})] == [
        Path("/etc/a.pem"),
        Path("/etc/a.key"),
    ]


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        ({"names": ["a.example.com", "gw.lan"], "directory": "/etc/a"}, "no CA certifies gw.lan with a.example.com"),
        ({"names": ["a.example.com"]}, "there is no directory for a file without path"),
        ({"names": ["a.example.com"], "directory": "/etc/a", "files": [COMBINED]}, "nothing is left for the directory"),
        ({**IN_DIRECTORY, "endpoints": [{"port": 443, "host": "a.example.com"}]}, "host is an address of this machine"),
    ],
)
def test_a_chain_that_can_not_be_is_refused_with_the_reason(chain: dict[str, Any], sentence: str):
    assert sentence in reason(chain)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"test": "nginx -t"}, "must be a list of arguments"),
        ({"command": ["sh", "a\nb"]}, "an argument has a control character"),
        ({"command": [""]}, "its first argument is the program, and is empty"),
        ({"unit": "--now"}, "must be the name of a systemd unit"),
        ({"unit": "a b"}, "must be the name of a systemd unit"),
        ({"unit": "a", "command": ["b"]}, "unit and command both make the service read its files"),
        ({"unit_action": "restart"}, "unit_action says what is done with the unit, and there is none"),
    ],
)
def test_commands_that_can_not_be_are_refused_with_the_reason(settings: dict[str, Any], sentence: str):
    assert sentence in reason(**settings)


def test_two_chains_that_would_be_one_are_refused():
    assert 'two chains are called "a.example.com"' in reason(IN_DIRECTORY, {**IN_DIRECTORY, "directory": "/etc/b"})
    assert "two files are to be at /etc/ssl/a" in reason(IN_DIRECTORY, {**IN_DIRECTORY, "names": ["b.example.com"]})


def test_one_link_leads_to_all_files_of_a_directory_and_they_are_the_groups_to_read():
    module = files(IN_DIRECTORY, directory_group="mail")
    key, fullchain = module.receive_chains({})
    assert (key.path, key.publish, key.how) == ("directories/a.example.com/key.pem", Path("/etc/ssl/a"), "directory")
    assert (fullchain.path, fullchain.publish) == ("directories/a.example.com/fullchain.pem", None)
    assert (key.mode, fullchain.mode, module.file_group) == (0o640, 0o640, "mail")
    assert {each.mode for each in files(IN_DIRECTORY).receive_chains({})} == {0o600}


def test_a_chain_is_asked_for_with_its_own_key_type_first():
    first, second = files(
        {**IN_DIRECTORY, "key_type": "rsa-2048"},
        {**IN_DIRECTORY, "name": "a", "directory": "/etc/b"},
        key_type="ecdsa-p384",
    ).declare_needs(HOST)
    assert (first.slot, first.key_types[:2]) == ("a.example.com", (KeyType.RSA_2048, KeyType.ECDSA_P384))
    assert (second.slot, second.key_types[0]) == ("a", KeyType.ECDSA_P384)


def test_it_is_looked_at_where_the_settings_say_by_its_first_name():
    seen = [{"port": 443}, {"port": 25, "starttls": "smtp", "server_name": "b.example.com", "host": "::"}]
    module = files({**IN_DIRECTORY, "names": ["*.example.com"], "endpoints": seen})
    first, second = module.probes(None)  # type: ignore[arg-type]
    assert (first.server_name, first.host, first.port) == ("chainwright-probe.example.com", "127.0.0.1", 443)
    assert (second.server_name, second.host, second.starttls) == ("b.example.com", "::", "smtp")


def test_a_test_that_is_given_the_generation_runs_before_the_switch_and_any_other_after_it():
    assert files(test=["nginx", "-t"]).checks_in_place
    assert not files(test=["check", "{dir}/copies"]).checks_in_place
    assert not files().checks_in_place


def test_a_unit_is_reloaded_or_restarted_and_asked_whether_it_runs():
    module = files(unit="radiusd@main", unit_action="restart")
    assert str(module.reload_command(None)) == "systemctl restart radiusd@main"  # type: ignore[arg-type]
    assert str(module.running(None)) == "systemctl is-active --quiet radiusd@main"  # type: ignore[arg-type]
    assert files().reload_command(None) is None  # type: ignore[arg-type]
    (told,) = module.consequences_of(Change(kind="chain", subject="", slots=("a",)), "")
    assert (told.sentence, told.severity) == (
        "radiusd@main is restarted when the new chain is taken; its sessions drop.",
        "outage",
    )
    assert not [*files(unit="nginx").consequences_of(Change(kind="chain", subject="", slots=("a",)), "")]


def test_the_settings_on_its_page_are_those_that_it_takes():
    page = (CHECKOUT / "docs/modules/files.md").read_text()
    tables = [tomllib.loads(each)["modules"] for each in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    assert [*chain.from_iterable(tables)] == ["files", "apache", "haproxy", "billing"]
    for table in tables:
        ((_, values),) = table.items()
        for file in values["chains"][0].get("files", ()):
            file.pop("password_file", None)  # read before the module sees its settings
        Files(**{name: value for name, value in values.items() if name != "plugin"})
