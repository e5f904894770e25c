"""The first look of the process that makes passes: often it is all that there is to do, and then nothing else is imported."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from agent.daemon.first_look import is_enough
from agent.daemon.schedule import DUE
from agent.system.clock import Clock
from support.appliances.deployed import Deployed

ASKED = {"number": 3, "reason": DUE, "recheck": "nothing", "told": "", "heard": False}
HEAVY = ("pydantic", "pluggy", "cryptography", "sqlite_utils", "jinja2", "asyncio")


@pytest.fixture
def pipe():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def told(end: socket.socket, *messages: dict[str, object]) -> bytes:
    text = b"".join(json.dumps(each).encode() + b"\n" for each in messages)
    end.sendall(text)
    return text


def test_what_is_due_is_looked_at_and_told(tunnel: Deployed, pipe) -> None:
    ours, theirs = pipe
    tunnel.apply()
    told(ours, ASKED)
    assert is_enough(tunnel.root, theirs.fileno())
    answer, last_words = map(json.loads, ours.recv(4096).splitlines())
    assert last_words == {"ends": True}
    assert (answer["number"], answer["reason"], answer["outcome"]) == (3, DUE, "looked")
    with tunnel.store() as store:
        assert answer["due"] == pytest.approx(store.instant("next at").timestamp())


@pytest.mark.parametrize(
    "asked",
    [
        ASKED | {"reason": "it was poked"},
        ASKED | {"recheck": "all"},
        ASKED | {"told": "the settings can't be used"},
        ASKED | {"job": "a1"},
        {"api": "it failed"},
    ],
)
def test_anything_else_is_left_to_a_pass(tunnel: Deployed, pipe, asked) -> None:
    ours, theirs = pipe
    tunnel.apply()
    text = told(ours, asked)
    assert not is_enough(tunnel.root, theirs.fileno())
    assert theirs.recv(4096) == text


def test_what_is_asked_meanwhile_is_left_to_a_pass(tunnel: Deployed, pipe) -> None:
    ours, theirs = pipe
    tunnel.apply()
    told(ours, ASKED)
    text = told(ours, {"api": "it failed"})
    assert not is_enough(tunnel.root, theirs.fileno())
    assert json.loads(ours.recv(4096))["outcome"] == "looked"
    assert theirs.recv(4096) == text


def test_where_something_is_wrong_a_pass_is_made(tunnel: Deployed, pipe) -> None:
    ours, theirs = pipe
    tunnel.apply()
    tunnel.stop("toyd")
    text = told(ours, ASKED)
    assert not is_enough(tunnel.root, theirs.fileno())
    assert theirs.recv(4096) == text


def test_where_the_clock_is_not_believed_a_pass_is_made(tunnel: Deployed, pipe) -> None:
    ours, theirs = pipe
    tunnel.apply()
    Clock(tunnel.root).note()
    memory = tunnel.layout.private / "clock"
    noted = json.loads(memory.read_text())
    memory.write_text(json.dumps(noted | {"instant": noted["instant"] + 7200}))
    text = told(ours, ASKED)
    assert not is_enough(tunnel.root, theirs.fileno())
    assert theirs.recv(4096) == text


def test_it_imports_nothing_of_a_pass() -> None:
    code = f"import agent.daemon.__main__, sys; print([each for each in {HEAVY} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
