"""Commands around challenges: a firewall that is opened as long as a CA looks, and which node asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract.challenge_window import ChallengeWindow
from agent.errors.challenges import AnotherNode, WindowUnopened
from agent.sources.acme import challenge_windows
from agent.sources.acme.challenge_windows import command_for, window_for
from agent.sources.acme.source import AcmeSource
from agent.system.command import Command
from support.fakes.orderer import Opened

WORDS = ("{action}", "{ports}", "{families}", "{names}", "{id}")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that writes down what it is called with, and fails where there is a file that says so."""
    path = tmp_path / "window"
    path.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ ! -e {tmp_path}/fail-$1 ] || {{ echo no way >&2; exit 3; }}\n'
    )
    path.chmod(0o755)
    return path


def calls(program: Path) -> list[list[str]]:
    said = program.with_name("calls")
    return [line.split(" ") for line in said.read_text().splitlines()] if said.exists() else []


def test_it_is_open_from_before_the_ca_looks_until_it_has_looked(at: Opened, pebble, program):
    orderer = at(pebble, challenge_window=[str(program), *WORDS])
    orderer.order("one.window.dev", "two.window.dev")
    opened, closed = calls(program)
    assert opened[0] == "open"
    assert opened[1] == str(pebble.http_port)
    assert opened[3] == "one.window.dev,two.window.dev"
    assert closed == ["close", *opened[1:]]
    assert orderer.context.windows.closing == {}


def test_where_it_can_not_be_opened_the_ca_is_not_told_to_look(at: Opened, pebble, program):
    program.with_name("fail-open").touch()
    pebble.mark()
    with pytest.raises(WindowUnopened) as caught:
        at(pebble, challenge_window=[str(program), *WORDS]).order("shut.window.dev")
    assert caught.value.problem.cause == (
        f"The way for a CA to shut.window.dev was not opened, so it was not told to look: {program} failed: no way."
    )
    assert caught.value.problem.detail == "no way"
    assert pebble.requests("/chalZ/") == []
    assert [each[0] for each in calls(program)] == ["open", "close"]


def test_the_other_node_of_a_pair_asks_nobody_and_counts_no_failure(at: Opened, pebble, program):
    program.with_name("fail-").touch()
    pebble.mark()
    orderer = at(pebble, only_if=[str(program), ""])
    with pytest.raises(AnotherNode) as caught:
        orderer.order("node.window.dev")
    assert not caught.value.counts
    assert caught.value.retry_at is not None
    assert pebble.requests() == []
    program.with_name("fail-").unlink()
    assert orderer.order("node.window.dev").names == ("node.window.dev",)


def test_a_program_is_named_by_its_path():
    with pytest.raises(ValueError, match="must begin with the path of a program"):
        AcmeSource(only_if=["is-active"])


def plugin(program: Path):
    """Return what a plugin says of windows."""

    def commands(window: ChallengeWindow) -> dict[str, Command]:
        ports = ",".join(map(str, window.ports))
        return {"fw": Command((str(program), window.action, window.id, ports, ",".join(window.families)))}

    return commands


def test_a_plugin_opens_and_closes_as_the_command_does(at: Opened, pebble, program):
    orderer = at(pebble)
    orderer.context.opens = plugin(program)
    orderer.order("plugin.window.dev")
    opened, closed = calls(program)
    assert opened[0] == "open"
    assert opened[2] == str(pebble.http_port)
    assert closed == ["close", *opened[1:]]
    assert orderer.context.windows.closing == {}


def test_it_is_for_the_families_of_the_names_where_those_are_known():
    known = {"a.example.com": ["192.0.2.1"], "b.example.com": ["192.0.2.1", "2001:db8::1"]}
    asked = []

    def families(*names: str) -> tuple[str, ...]:
        return window_for([80], names, lambda name: asked.append(name) or known.get(name, ()), lambda: ["::1"]).families

    assert families("a.example.com") == ("ipv4",)
    assert families(*known) == ("ipv4", "ipv6")
    assert families("unknown.example.com") == ("ipv6",)
    asked.clear()
    assert families(*(f"{number}.example.com" for number in range(1000))) == ("ipv6",)
    assert asked == []


def test_a_name_with_braces_of_another_word_changes_no_argument():
    window = ChallengeWindow(id="1f", action="open", ports=(80, 443), families=("ipv4",), names=("a.example.com",))
    assert command_for([], window) is None
    command = command_for(["/bin/fw", "{action}:{id}", "{ports}", "{families}", "{names}", "{other}"], window)
    assert command is not None
    assert command.argv == ("/bin/fw", "open:1f", "80,443", "ipv4", "a.example.com", "{other}")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exec sleep 60", "it took longer than 0.2 s"),
        (None, "no such file or directory"),
        ("exit 7", "it ended with 7"),
    ],
    ids=["hangs", "missing", "fails"],
)
def test_a_command_that_says_nothing_good_of_this_node_is_named(
    at: Opened, pebble, program, monkeypatch, script: str | None, why: str
):
    monkeypatch.setattr(challenge_windows, "PATIENCE", 0.2)
    if script is None:
        program.unlink()
    else:
        program.write_text(f"#!/bin/sh\n{script}\n")
    pebble.mark()
    with pytest.raises(AnotherNode) as caught:
        at(pebble, only_if=[str(program)], challenge_window=[str(program), "{action}"]).order("pair.window.dev")
    assert caught.value.problem.cause == f"This machine does not ask the CA now, as only_if says: {program}: {why}."
    assert pebble.requests() == []
