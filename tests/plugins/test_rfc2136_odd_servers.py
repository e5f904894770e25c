"""The solver for dynamic updates at servers that answer oddly, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.contract.dns_solver import TxtRecord
from agent.dns.solver_context import SolverContext
from agent.errors import SourceError
from plugins.rfc2136.solver import Rfc2136
from support.fakes.update_server import UpdateServer, signed, silence, unsigned, update_server
from support.servers.dns_program import AGENT
from support.servers.zones import BIND9, Zones

SILENT = "127.0.0.4"
ONE, TWO = "A" * 43, "B" * 43
RECORD = TxtRecord(name="_acme-challenge.a.b.c.test", value=ONE, zone="c.test", domain="a.b.c.test")


def context(seconds: float = 20) -> SolverContext:
    return SolverContext(Path, lambda: datetime.now(UTC)).within(seconds)


def solver(server: UpdateServer | None, *servers: str, port: int = 53) -> Rfc2136:
    if server:
        servers, port = (str(server.server_address[0]), *servers), server.server_address[1]
    return Rfc2136(server=servers, port=port, key_name=AGENT.name, secret=AGENT.secret)


def refusal(made: Rfc2136, *records: TxtRecord, seconds: float = 20) -> list[str]:
    with pytest.raises(SourceError) as raised:
        made.present_all(records, context(seconds))
    return raised.value.problem.lines()


@pytest.mark.parametrize(
    ("answer", "cause", "fix"),
    [
        (
            signed("NOTAUTH", tsig_error="BADTIME"),
            "The clocks of this machine and of the DNS server are more than five minutes apart, so that it takes no update.",
            "Set the clock that is wrong, by NTP on both.",
        ),
        (
            unsigned,
            'The DNS server\'s answer is not signed with the key "agent" as it should be.',
            (
                "Look whether something between this machine and the server changes DNS messages, and at the server's log."
            ),
        ),
        (
            signed("SERVFAIL"),
            f"The DNS server answers SERVFAIL to the change of {RECORD.name} in the zone c.test.",
            "Look at the server's log.",
        ),
        (
            lambda _wire: b"",
            "The DNS server answers FORMERR to the change of _acme-challenge.a.b.c.test in the zone c.test.",
            "Look at the server's log.",
        ),
    ],
    ids=["clock", "unsigned", "failed", "nothing"],
)
def test_an_odd_answer_is_told(answer: Callable[[bytes], bytes], cause: str, fix: str) -> None:
    with update_server(answer) as server:
        assert refusal(solver(server), RECORD) == [f"127.0.0.4: {cause}", fix]


def test_a_silent_server_is_waited_for_once_and_the_next_one_asked(zones: Zones) -> None:
    zone, other = zones.add("rfc-silent.test", secondary=False), zones.add("rfc-silent-too.test", secondary=False)
    unknown = replace(RECORD, name=f"_acme-challenge.a.b.c.d.{zone}", zone="")
    elsewhere = replace(RECORD, name=f"_acme-challenge.{other}", zone="", value=TWO)
    with update_server(silence, SILENT, zones.port) as server:
        solver(server, BIND9).present_all([unknown, elsewhere], context(4))
        assert len(server.asked) == 1
    assert (zones.bind9.txt(unknown.name), zones.bind9.txt(elsewhere.name)) == ([ONE], [TWO])


def test_a_server_that_stays_silent_is_given_up_at_once_and_within_the_solver_s_time() -> None:
    with update_server(silence) as server:
        assert refusal(solver(server), replace(RECORD, zone=""), seconds=0.5) == [
            "127.0.0.4: The DNS server can't be sent an update: there was no answer.",
            "Look whether it runs and listens at TCP port 53, or at the port that is set, and lets this machine in.",
        ]
        assert len(server.asked) == 1, "not once for each label"


def test_a_primary_that_nobody_names_is_told() -> None:
    assert refusal(solver(None), replace(RECORD, zone="nowhere.invalid"), seconds=0.3) == [
        "nowhere.invalid: Which server is the primary of nowhere.invalid can't be found out.",
        "Set server to its name or address.",
    ]


def test_a_record_outside_of_the_zone_that_is_set_is_told_before_any_order() -> None:
    made = Rfc2136(server=[BIND9], key_name=AGENT.name, secret=AGENT.secret, zone="c.test")
    made.check_record(RECORD, context())
    made.check_record(replace(RECORD, name="c.test"), context())
    with pytest.raises(SourceError) as raised:
        made.check_record(replace(RECORD, name="_acme-challenge.xc.test"), context())
    assert raised.value.problem.lines() == [
        "the DNS solver rfc2136: _acme-challenge.xc.test is outside of the zone c.test, which is set.",
        "Set zone to the one that holds it, or leave it out; zones says which names a table is for.",
    ]
