"""Commands around challenges: a firewall that is opened as long as a CA looks, and which node asks."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.errors.challenges import AnotherNode, WindowUnopened
from agent.sources.acme.challenge_windows import KEY, ChallengeWindows
from agent.sources.acme.source import AcmeSource
from support.fakes.orderer import Opened
from support.fakes.source_context import FakeSourceContext
from support.paths import CHECKOUT

NFT = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin")
EXAMPLE = CHECKOUT / "examples/firewall/challenge-window"
RULES = "table inet filter { set chainwright { type inet_service; flags timeout; }; }"
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
    assert orderer.context.memory.read(KEY) == {}


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
        (kept,) = context.memory.read(KEY)["open"]
        context.memory.write(KEY, {"open": [{**kept, "ticks": kept["ticks"] - 1}]})
        assert windows(context, program).close_left() == ""
        assert calls(program)[1] == ["close", "80", "ipv4,ipv6", "a.example.com", window]
        assert context.memory.read(KEY) == {}
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
        assert context.memory.read(KEY) == {}
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


@pytest.mark.root
@pytest.mark.skipif(NFT is None, reason="there is no nft")
def test_the_example_opens_and_closes_ports_of_nftables():
    script = f"""
        set -e
        nft '{RULES}'
        {EXAMPLE} open 80,443 ipv4,ipv6 1f
        {EXAMPLE} open 80 ipv4 2f
        nft -j list set inet filter chainwright
        {EXAMPLE} close 80,443 ipv4,ipv6 1f
        {EXAMPLE} close 80 ipv4 2f
        nft -j list set inet filter chainwright
    """
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    opened, closed = (json.loads(line)["nftables"][1]["set"] for line in done.stdout.splitlines())
    assert [each["elem"]["val"] for each in opened["elem"]] == [80, 443]
    assert {each["elem"]["timeout"] for each in opened["elem"]} == {600}
    assert "elem" not in closed
