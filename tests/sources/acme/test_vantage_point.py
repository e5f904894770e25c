"""A command that looks from outside, before the CA is told to look: what it sees decides whether it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.errors.http01 import UnseenFromOutside
from agent.sources.acme.challenges.method import Answer
from agent.sources.acme.messages import Challenge
from agent.sources.acme.source import AcmeSource
from agent.sources.acme.vantage_point import unseen_from
from support.fakes.orderer import Opened
from support.fakes.source_context import utc_now

NAME = "shop.outside.dev"
FETCH = """#!{python}
import http.client, pathlib, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[1])
with pathlib.Path({calls!r}).open("a") as calls:
    print(sys.argv[1], pathlib.Path({window!r}).exists(), file=calls)
asked = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
asked.request("GET", parts.path, headers={{"Host": parts.netloc}})
print(asked.getresponse().read().decode())
"""
Written = Callable[[str], str]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """`written(text)`: the path of a program."""

    def write(text: str) -> str:
        path = tmp_path / "look"
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    return write


def test_it_sees_the_answer_while_the_way_is_open_and_then_the_ca_looks(
    at: Opened, pebble, written: Written, tmp_path: Path
):
    calls, window = tmp_path / "calls", tmp_path / "open"
    gate = tmp_path / "gate"
    gate.write_text(f'#!/bin/sh\n[ "$1" = open ] && touch {window} || rm {window}\n')
    gate.chmod(0o755)
    look = written(FETCH.format(python=sys.executable, calls=str(calls), window=str(window)))
    orderer = at(pebble, vantage_point=[look, "{url}"], challenge_window=[str(gate), "{action}"])
    assert orderer.order(NAME, f"www.{NAME}").covers([NAME])
    seen = dict(line.split() for line in calls.read_text().splitlines())
    assert {urlsplit(each).netloc for each in seen} == {f"{each}:{pebble.http_port}" for each in (NAME, f"www.{NAME}")}
    assert set(seen.values()) == {"True"}
    assert not window.exists()


@pytest.mark.parametrize(
    ("script", "clause"),
    [
        ("echo '<html>router</html>'", '{look} was given "<html>router</html>"'),
        ("true", "{look} printed nothing"),
        ("echo 'connection refused' >&2; exit 7", "{look}: connection refused"),
    ],
    ids=["another answer", "nothing", "fails"],
)
def test_where_it_sees_something_else_the_ca_is_not_told_to_look(
    at: Opened, pebble, written: Written, script: str, clause: str
):
    look = written(f"#!/bin/sh\n{script}\n")
    orderer = at(pebble, vantage_point=[look, "{url}"])
    pebble.mark()
    with pytest.raises(UnseenFromOutside) as caught:
        orderer.order(NAME)
    problem, said = caught.value.problem, clause.format(look=look)
    assert problem.cause == (
        f"From outside, port {pebble.http_port} does not answer a CA's challenge for {NAME}: {said}."
    )
    assert problem.detail == f"{NAME}: {said}"
    assert caught.value.failed == {NAME}
    assert not caught.value.counts
    assert pebble.requests("/chalZ/") == []


def test_one_that_is_not_there_is_said_so(at: Opened, pebble):
    with pytest.raises(UnseenFromOutside) as caught:
        at(pebble, vantage_point=["/nowhere/look", "{url}"]).order(NAME)
    assert caught.value.problem.detail == f"{NAME}: /nowhere/look: no such file or directory"


def test_one_that_is_out_of_order_keeps_the_ca_away_for_a_day(at: Opened, pebble, written: Written):
    orderer, ahead = at(pebble, vantage_point=[written("#!/bin/sh\nexit 1\n"), "{url}"]), [timedelta()]
    orderer.context.clock = lambda: utc_now() + ahead[0]
    with pytest.raises(UnseenFromOutside):
        orderer.order(NAME)
    ahead[0] = timedelta(hours=25)
    assert orderer.order(NAME).covers([NAME])


def test_a_person_who_insists_is_not_kept_away(at: Opened, pebble, written: Written):
    orderer = at(pebble, vantage_point=[written("#!/bin/sh\nexit 1\n"), "{url}"])
    assert orderer.order(NAME, forced=True).covers([NAME])


def test_a_token_that_could_mean_more_to_a_shell_is_not_handed_on(at: Opened, pebble, written: Written, tmp_path: Path):
    look = written(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    challenge = Challenge.from_json({"type": "http-01", "url": "https://ca.example/1", "token": "a" * 43})
    answer = Answer(name=NAME, domain=NAME, challenge=challenge, token="$(reboot)", key_authorization="-")
    assert unseen_from([look, "{url}"], [answer], 80, at(pebble).context) == {}
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["curl", "{url}"], "must begin with the path of a program"),
        (["/usr/bin/curl", "http://gw.example.com/"], "must have {url} among its arguments: what it is to fetch"),
    ],
)
def test_what_can_fetch_nothing_is_refused(command: list[str], said: str):
    with pytest.raises(ValueError, match="vantage_point") as caught:
        AcmeSource(vantage_point=command)
    assert said in str(caught.value)
