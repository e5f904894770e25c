"""Looking up host names: side by side, with the resolver's own words, and never longer than it may take."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from agent.system.resolving import MOST_ADDRESSES, MOST_AT_ONCE, Answer, addresses_of, names_a_host, resolve_all
from support.paths import CHECKOUT, TESTS


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Set at the end of a test, for resolvers that hang until then."""
    event = threading.Event()
    yield event
    event.set()


def test_names_of_the_hosts_file_are_known():
    assert "127.0.0.1" in addresses_of("localhost")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "fe80::1", "fe80::1%eth0", "febf::2", "169.254.0.9"])
def test_what_is_no_host_s_address_is_not_used(address: str):
    assert not names_a_host(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1", "2001:db8::fe80", "fec0::1", "::1"])
def test_what_a_host_can_have_is_used(address: str):
    assert names_a_host(address)


def test_what_fails_is_told_in_the_resolvers_words():
    def refuse(name: str) -> list[str]:
        if name == "odd":
            raise UnicodeError("label too long")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert resolve_all(["db.lan", "odd"], refuse, 5) == {
        "db.lan": Answer((), "Name or service not known"),
        "odd": Answer((), "it can't be asked for in the DNS"),
    }


def test_a_resolver_that_is_dead_for_one_name_holds_up_no_other(end: threading.Event):
    def hang(name: str) -> list[str]:
        if name == "dead":
            end.wait(60)
        return ["192.0.2.1"]

    assert resolve_all(["dead", "db.lan"], hang, 0.2) == {
        "dead": Answer((), "no answer within 0.2 s"),
        "db.lan": Answer(("192.0.2.1",)),
    }


def test_a_dead_resolver_is_asked_by_few_threads_and_for_a_bounded_time(end: threading.Event):
    asked: list[str] = []

    def hang(name: str) -> list[str]:
        asked.append(name)
        end.wait(60)
        return []

    names = [f"{number}.lan" for number in range(1000)]
    answers = resolve_all(names, hang, 0.2)
    assert {each.words for each in answers.values()} == {"no answer within 0.2 s"}
    assert len(asked) == MOST_AT_ONCE


def test_many_names_are_answered_each_sorted_and_bounded():
    names = [f"{number}.lan" for number in range(3 * MOST_AT_ONCE)]
    many = [f"192.0.2.{number}" for number in range(200, 100, -1)]
    answers = resolve_all(names, lambda _name: many, 20)
    assert set(answers) == set(names)
    assert {each.addresses for each in answers.values()} == {tuple(sorted(many)[:MOST_ADDRESSES])}


def test_a_name_without_any_address_fails():
    assert resolve_all(["db.lan"], lambda _name: [], 5) == {"db.lan": Answer((), "it has no address")}


def test_nobody_is_asked_for_nothing():
    assert resolve_all([], lambda _name: [], 0) == {}


@pytest.mark.root
def test_the_hosts_file_search_domains_and_the_dns_are_asked_as_for_any_program(tmp_path):
    argv = ["unshare", "--net", "--mount", sys.executable, str(TESTS / "support/servers/small_dns.py"), str(tmp_path)]
    where = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=where, check=True)
    found, dead = map(json.loads, done.stdout.splitlines())
    assert found == {
        "db": [["192.0.2.7", "192.0.2.8"], ""],
        "app.test": [["192.0.2.9"], ""],
        "printer": [["192.0.2.1"], ""],
        "nowhere.test": [[], "Name or service not known"],
    }
    assert dead == {"db.corp.test": [[], "no answer within 0.3 s"], "printer": [["192.0.2.1"], ""]}
