"""The solver `acme_dns`, at a server that publishes in a real zone."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from agent.cli.program import run
from agent.dns.solver_context import SolverContext
from agent.errors import AgentError
from chainwright import TxtRecord
from chainwright.testing import check_plugin
from plugins.acme_dns.errors import ServerFailed
from plugins.acme_dns.server import Server
from plugins.acme_dns.solver import AcmeDns
from support.appliances.deployed import Deployed
from support.fakes.acme_dns import AcmeDnsServer
from support.ports import free_port
from support.servers.zones import Zones

ONE, TWO, THREE = "1" * 43, "2" * 43, "3" * 43


@pytest.fixture(scope="module")
def server(zones: Zones) -> Iterator[AcmeDnsServer]:
    made = AcmeDnsServer(zones.bind9, zones.add("auth.test", secondary=False))
    yield made
    made.close()


def registered(server: AcmeDnsServer, *domains: str) -> dict[str, dict[str, str]]:
    return {each: dict(Server(server.url, 10).register()) for each in domains}


def solver(server: AcmeDnsServer, registrations: dict[str, dict[str, str]]) -> AcmeDns:
    return AcmeDns.model_validate({"url": server.url, "registrations": registrations})


def records(domain: str, name: str, *values: str) -> list[TxtRecord]:
    return [TxtRecord(name=name, value=value, zone="auth.test", domain=domain) for value in values]


def failure(made: AcmeDns, wanted: list[TxtRecord], context: SolverContext) -> tuple[str, str, str]:
    with pytest.raises(AgentError) as failed:
        made.present_all(wanted, context)
    problem = failed.value.problem
    return problem.cause, problem.where, problem.fix


def test_a_name_and_its_wildcard_are_published_side_by_side(
    server: AcmeDnsServer, zones: Zones, context: SolverContext
) -> None:
    registrations = registered(server, "a.test", "b.test")
    name = registrations["a.test"]["fulldomain"]
    made = solver(server, registrations)
    made.present_all(records("a.test", name, ONE, TWO), context)
    assert zones.bind9.txt(name) == [ONE, TWO]
    made.clean_up_all(records("a.test", name, ONE, TWO), context)
    made.present_all(records("a.test", name, THREE), context)
    assert zones.bind9.txt(name) == [TWO, THREE], "the server keeps two, and removes none"


def test_a_name_without_a_registration_is_told_how_to_get_one(server: AcmeDnsServer, context: SolverContext) -> None:
    assert failure(solver(server, {}), records("a.test", "_acme-challenge.a.test", ONE), context) == (
        "a.test has no registration at the acme-dns server.",
        server.url,
        (
            "Register it, and add what is printed to the settings: "
            f"chainwright acme_dns register a.test --url {server.url}; then: chainwright apply"
        ),
    )


def test_the_alias_to_set_is_shown_where_it_is_not_there(server: AcmeDnsServer, context: SolverContext) -> None:
    registrations = registered(server, "a.test")
    leads_to = registrations["a.test"]["fulldomain"]
    assert failure(solver(server, registrations), records("a.test", "_acme-challenge.a.test", ONE), context) == (
        f"The record of a.test would be looked for at _acme-challenge.a.test, and acme-dns publishes it at {leads_to}.",
        server.url,
        f"Add this record to the zone of a.test: _acme-challenge.a.test. CNAME {leads_to}.; then: chainwright renew",
    )


def test_more_values_than_two_are_not_sent(server: AcmeDnsServer, zones: Zones, context: SolverContext) -> None:
    registrations = registered(server, "a.test")
    name = registrations["a.test"]["fulldomain"]
    assert failure(solver(server, registrations), records("a.test", name, ONE, TWO, THREE), context) == (
        "acme-dns keeps two values of a name, and a.test needs 3.",
        server.url,
        "Order the name and its wildcard only, or use another solver for its zone.",
    )
    assert zones.bind9.txt(name) == []


def test_a_wrong_password_is_told(server: AcmeDnsServer, context: SolverContext) -> None:
    registrations = registered(server, "a.test")
    registrations["a.test"]["password"] = "x" * 40
    wanted = records("a.test", registrations["a.test"]["fulldomain"], ONE)
    assert failure(solver(server, registrations), wanted, context) == (
        (
            "The acme-dns server refuses to change the record of a.test: user name, password and subdomain don't belong "
            "together, or it takes no changes from the address of this machine."
        ),
        server.url,
        (
            "Compare the registration with what was printed when it was made, and with its allowfrom, or make a new one; "
            "then: chainwright renew"
        ),
    )


def test_a_value_that_the_server_does_not_take_is_told(server: AcmeDnsServer, context: SolverContext) -> None:
    registrations = registered(server, "a.test")
    wanted = records("a.test", registrations["a.test"]["fulldomain"], "short")
    assert failure(solver(server, registrations), wanted, context) == (
        'The acme-dns server does not take the value for a.test: "bad_txt".',
        server.url,
        f"Look whether {server.url} is an acme-dns server, and of which version; then: chainwright renew",
    )


def test_what_a_server_repeats_of_the_credentials_is_hidden(
    zones: Zones, server: AcmeDnsServer, context: SolverContext
) -> None:
    class Telling(AcmeDnsServer):
        def answer(self, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            return 502, {"error": f"no upstream for {headers['X-Api-User']}:{headers['X-Api-Key']}"}

    telling, registrations = Telling(zones.bind9, "auth.test"), registered(server, "a.test")
    try:
        wanted = records("a.test", registrations["a.test"]["fulldomain"], ONE)
        assert failure(solver(telling, registrations), wanted, context) == (
            'The acme-dns server answers with HTTP status 502: "no upstream for ********:********".',
            telling.url,
            "Look at the log of the server and at the disk of its database; then: chainwright renew",
        )
    finally:
        telling.close()


def test_a_broken_server_is_told(server: AcmeDnsServer, context: SolverContext) -> None:
    registrations = registered(server, "a.test")
    server.broken = True
    try:
        wanted = records("a.test", registrations["a.test"]["fulldomain"], ONE)
        assert failure(solver(server, registrations), wanted, context) == (
            'The acme-dns server answers with HTTP status 500: "db_error".',
            server.url,
            "Look at the log of the server and at the disk of its database; then: chainwright renew",
        )
    finally:
        server.broken = False


@pytest.mark.parametrize("password", ['a"\nurl = "http://other.test', "a\x1b[2J", "a\\", "", "a" * 256])
def test_a_registration_that_would_not_be_what_it_looks_like_in_the_settings_is_refused(
    zones: Zones, password: str
) -> None:
    class Hostile(AcmeDnsServer):
        def answer(self, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            status, content = super().answer(path, headers, body)
            return status, {**content, "password": password}

    hostile = Hostile(zones.bind9, "auth.test")
    try:
        with pytest.raises(ServerFailed) as raised:
            Server(hostile.url, 10).register()
        assert raised.value.problem.cause.startswith("The acme-dns server answers with HTTP status 201: ")
    finally:
        hostile.close()


def test_a_server_that_is_down_is_told(server: AcmeDnsServer, context: SolverContext) -> None:
    registrations = registered(server, "a.test")
    url = f"http://127.0.0.1:{free_port()}"
    made = AcmeDns.model_validate({"url": url, "registrations": registrations})
    wanted = records("a.test", registrations["a.test"]["fulldomain"], ONE)
    assert failure(made, wanted, context) == (
        "The acme-dns server gives no answer: connection refused.",
        url,
        "Look whether it runs, and whether this machine may connect to it; then: chainwright renew",
    )


def test_two_names_with_one_subdomain_are_refused(server: AcmeDnsServer) -> None:
    registrations = registered(server, "a.test")
    with pytest.raises(ValidationError, match=r"several names have the subdomain .*: register each name"):
        solver(server, {**registrations, "b.test": registrations["a.test"]})


def test_credentials_are_masked(server: AcmeDnsServer) -> None:
    registrations = registered(server, "a.test")
    made = solver(server, registrations)
    for shown in (repr(made), made.model_dump_json()):
        assert registrations["a.test"]["password"] not in shown
        assert registrations["a.test"]["username"] not in shown


def test_the_command_registers_and_prints_settings_and_alias(
    server: AcmeDnsServer, appliance: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    appliance.settings("[plugins.acme_dns]\n")
    argv = ["acme_dns", "register", "*.A.test", "--url", server.url, "--allow-from", "192.0.2.0/24"]
    assert run("chainwright", [*argv, "--root", str(appliance.root)]) == 0
    shown = capsys.readouterr().out
    table = tomllib.loads(shown)["dns"]["acme_dns"]["registrations"]["a.test"]
    assert sorted(table) == ["fulldomain", "password", "subdomain", "username"]
    assert shown.splitlines()[-1] == f"# in the zone of a.test: _acme-challenge.a.test. CNAME {table['fulldomain']}."
    solver(server, {"a.test": table})


def test_the_plugin_is_a_good_one(server: AcmeDnsServer) -> None:
    fulldomain = {
        "check.example.com": {**registered(server, "x")["x"], "fulldomain": "_acme-challenge.check.example.com"}
    }
    check_plugin("acme_dns", settings={"dns": {"acme_dns": {"url": server.url, "registrations": fulldomain}}})
