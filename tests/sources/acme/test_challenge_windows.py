"""Commands around challenges: a firewall that is opened as long as a CA looks, and which node asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.contract.challenge_window import ChallengeWindow
from agent.errors.challenges import AnotherNode, WindowUnopened
from agent.health.challenge_windows import of_windows
from agent.model.challenge_windows import KEPT
from agent.sources.acme.challenge_windows import ChallengeWindows
from agent.sources.acme.source import AcmeSource
from agent.system.command import Command
from support.fakes.orderer import Opened
from support.fakes.source_context import FakeSourceContext

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


def windows(context: FakeSourceContext, program: Path) -> ChallengeWindows:
    source = AcmeSource(challenge_window=[str(program), *WORDS])
    return ChallengeWindows(source, context.memory, lambda: ["127.0.0.1", "::1"])


def test_it_is_open_from_before_the_ca_looks_until_it_has_looked(at: Opened, pebble, program):
    orderer = at(pebble, challenge_window=[str(program), *WORDS])
    orderer.order("one.window.dev", "two.window.dev")
    opened, closed = calls(program)
    assert opened[0] == "open"
    assert opened[1] == str(pebble.http_port)
    assert opened[3] == "one.window.dev,two.window.dev"
    assert closed == ["close", *opened[1:]]
    assert orderer.context.memory.read(KEPT) == {}


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


def test_what_a_dead_process_left_is_closed_by_the_next_one_and_what_lives_is_left(at: Opened, program):
    context = FakeSourceContext(program.parent)
    try:
        living = windows(context, program)
        window = living.open([80], ["a.example.com"], context.now())
        assert windows(context, program).close_left() == ""
        assert len(calls(program)) == 1
        (kept,) = context.memory.read(KEPT)["open"]
        context.memory.write(KEPT, {"open": [{**kept, "ticks": kept["ticks"] - 1}]})
        assert windows(context, program).close_left() == ""
        assert calls(program)[1] == ["close", "80", "ipv4,ipv6", "a.example.com", window]
        assert context.memory.read(KEPT) == {}
    finally:
        context.close()


def test_what_can_not_be_closed_is_tried_again(program):
    context = FakeSourceContext(program.parent)
    try:
        made = windows(context, program)
        window = made.open([80, 443], ["a.example.com"], context.now())
        program.with_name("fail-close").touch()
        assert made.close(window) == "no way"
        program.with_name("fail-close").unlink()
        assert made.close_left() == ""
        assert [each[:2] for each in calls(program)] == [["open", "80,443"], ["close", "80,443"], ["close", "80,443"]]
        assert context.memory.read(KEPT) == {}
    finally:
        context.close()


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
    assert orderer.context.memory.read(KEPT) == {}


def test_what_can_not_be_closed_is_a_finding_until_it_is(program):
    context = FakeSourceContext(program.parent)
    try:
        made = ChallengeWindows(AcmeSource(), context.memory, lambda: ["127.0.0.1"])
        window = made.open([80], ["a.example.com"], context.now(), plugin(program))
        program.with_name("fail-close").touch()
        made.close(window)
        (finding,) = of_windows("acme", context.memory.read(KEPT)["open"])
        assert finding.problem.cause == (
            "The way for a CA to a.example.com, which the plugin fw has opened, was not closed: no way."
        )
        assert finding.problem.fix == f"Close it by hand: {program} close {window} 80 ipv4"
        program.with_name("fail-close").unlink()
        made.close_left()
        assert [*of_windows("acme", context.memory.read(KEPT).get("open", ()))] == []
    finally:
        context.close()


def test_it_is_for_the_families_of_the_names_where_those_are_known(program):
    context = FakeSourceContext(program.parent)
    known = {"a.example.com": ["192.0.2.1"], "b.example.com": ["192.0.2.1", "2001:db8::1"]}
    source = AcmeSource(challenge_window=[str(program), "{families}"])
    try:
        made = ChallengeWindows(source, context.memory, lambda: ["::1"], lambda name: known.get(name, ()))
        for names in (["a.example.com"], [*known], ["unknown.example.com"]):
            made.open([80], names, context.now())
        assert calls(program) == [["ipv4"], ["ipv4,ipv6"], ["ipv6"]]
    finally:
        context.close()
