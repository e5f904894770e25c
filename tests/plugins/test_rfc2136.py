"""The solver for dynamic updates, on a real BIND and a real Knot: what it writes, what stays, and what each refusal says."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.contract.dns_solver import TxtRecord
from agent.dns.exchange import Budget
from agent.dns.lookups import Lookups, NameServer
from agent.dns.solver_context import SolverContext
from agent.errors import SourceError
from chainwright.testing import check_plugin
from plugins.rfc2136.solver import Rfc2136
from support.ports import free_port
from support.servers.zones import BIND9, KNOT, Zones

OTHER = "b3RoZXI="
ONE, TWO = "A" * 43, "B" * 43


def record(zone: str, value: str, host: str = "www") -> TxtRecord:
    return TxtRecord(name=f"_acme-challenge.{host}.{zone}", value=value, zone=zone, domain=f"{host}.{zone}")


def solver(zones: Zones, **more: Any) -> Rfc2136:
    given = {"server": BIND9, "port": zones.port, "key_name": zones.key.name, "secret": zones.key.secret}
    return Rfc2136(**{**given, **more})


def context(tmp_path: Path = Path("/")) -> SolverContext:
    return SolverContext(lambda path: tmp_path / path, lambda: datetime.now(UTC))


def refusal(made: Rfc2136, *records: TxtRecord) -> list[str]:
    with pytest.raises(SourceError) as raised:
        made.present_all(records, context())
    return raised.value.problem.lines()


def test_values_are_added_beside_others_by_one_update_and_exactly_those_removed(zones: Zones):
    zone = zones.add("rfc-add.test")
    name = record(zone, ONE).name
    zones.bind9.update(zone, ("add", name, "TXT", "foreign"))
    made, before = solver(zones), zones.bind9.serial(zone)
    for _ in range(2):
        made.present_all([record(zone, ONE), record(zone, TWO)], context())
    assert zones.bind9.txt(name) == sorted([ONE, TWO, "foreign"])
    assert zones.bind9.serial(zone) == before + 1
    for _ in range(2):
        made.clean_up_all([record(zone, ONE), record(zone, TWO)], context())
    assert zones.bind9.txt(name) == ["foreign"]


def test_an_order_of_a_thousand_names_is_made_and_removed(zones: Zones):
    zone = zones.add("rfc-many.test", secondary=False)
    many = [record(zone, ONE, f"host-{number:04}.of_a_long_name") for number in range(1000)]
    before = zones.bind9.serial(zone)
    solver(zones).present_all(many, context())
    assert zones.bind9.serial(zone) == before + 5
    assert [zones.bind9.txt(each.name) for each in (many[0], many[-1])] == [[ONE], [ONE]]
    solver(zones).clean_up_all(many, context())
    assert [zones.bind9.txt(each.name) for each in (many[0], many[-1])] == [[], []]


def test_values_with_characters_of_zone_files_are_written_as_they_are(zones: Zones):
    zone = zones.add("rfc-quotes.test", secondary=False)
    odd = record(zone, 'a "b" \\ ; c')
    place = NameServer("", BIND9, zones.port)
    solver(zones).present_all([odd], context())
    found = Lookups([place.server]).ask_each(odd.name, [place], Budget(time.monotonic() + 10, lambda: False))
    assert found == {place: {odd.value}}
    solver(zones).clean_up_all([odd], context())
    assert zones.bind9.txt(odd.name) == []


def test_knot_takes_them_too(zones: Zones):
    zone = zones.add_to_knot("rfc-knot.test")
    made = solver(zones, server=KNOT)
    made.present_all([record(zone, ONE), record(zone, TWO)], context())
    assert zones.knot.txt(record(zone, ONE).name) == [ONE, TWO]
    made.clean_up_all([record(zone, ONE)], context())
    assert zones.knot.txt(record(zone, ONE).name) == [TWO]


def test_a_zone_that_is_not_known_is_found_at_the_server(zones: Zones):
    zone = zones.add("rfc-find.test", secondary=False)
    solver(zones).present_all([dataclasses.replace(record(zone, ONE), zone="")], context())
    assert zones.bind9.txt(record(zone, ONE).name) == [ONE]


def test_the_next_server_is_asked_where_one_is_away(zones: Zones):
    zone = zones.add("rfc-next.test", secondary=False)
    solver(zones, server=["127.0.0.9", BIND9]).present_all([record(zone, ONE)], context())
    assert zones.bind9.txt(record(zone, ONE).name) == [ONE]


def test_each_refusal_says_what_it_comes_of(zones: Zones):
    zone = zones.add("rfc-refuse.test")
    one = record(zone, ONE)
    name = one.name
    assert refusal(solver(zones, key_name="nobody"), one) == [
        f'127.0.0.1: The DNS server does not take the key "nobody" with hmac-sha256 for the zone {zone}.',
        (
            "Look whether key_name and algorithm are as there, whether the key may change this zone's TXT records, "
            "and whether the server is its primary; then: chainwright renew"
        ),
    ]
    assert refusal(solver(zones, secret=OTHER), one) == [
        '127.0.0.1: The DNS server has another secret for the key "agent".',
        "Set secret to what the server has for this key; then: chainwright renew",
    ]
    assert refusal(solver(zones), dataclasses.replace(one, name=zone)) == [
        f'127.0.0.1: The DNS server refuses to let the key "agent" change {zone} in the zone {zone}.',
        "Allow this key TXT records of these names: docs/dns/rfc2136.md shows how, for BIND and Knot; then: chainwright renew",
    ]
    assert refusal(solver(zones), dataclasses.replace(one, zone="elsewhere.test")) == [
        "127.0.0.1: The DNS server is not the primary of the zone elsewhere.test.",
        "Set server to the zone's primary; where that has the zone under another name, set zone; then: chainwright renew",
    ]
    assert refusal(solver(zones), dataclasses.replace(one, name="_acme-challenge.other.test")) == [
        f"127.0.0.1: For the DNS server _acme-challenge.other.test is outside of the zone {zone}.",
        "Set zone to the one that holds it, or leave it out.",
    ]
    assert refusal(solver(zones, server="127.0.0.9", port=free_port()), one)[0] == (
        "127.0.0.9: The DNS server can't be sent an update: connection refused."
    )
    with zones.bind9.frozen(zone):
        assert refusal(solver(zones), one)[0] == (
            f'127.0.0.1: The DNS server refuses to let the key "agent" change {name} in the zone {zone}.'
        )


def test_a_server_whose_address_cannot_be_found_does_not_keep_the_next_one_from_being_asked(zones: Zones):
    zone = zones.add("rfc-next.test", secondary=False)
    solver(zones, server=["nowhere.invalid", BIND9]).present_all([record(zone, ONE)], context())
    assert zones.bind9.txt(record(zone, ONE).name) == [ONE]
    assert refusal(solver(zones, server=["nowhere.invalid"]), record(zone, ONE))[0].startswith(
        "nowhere.invalid: The DNS server can't be sent an update: "
    )


def test_a_zone_that_knot_does_not_serve_is_told_though_its_answer_is_not_signed(zones: Zones):
    assert refusal(solver(zones, server=KNOT), record("nowhere.test", ONE))[0] == (
        "127.0.0.2: The DNS server is not the primary of the zone nowhere.test."
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("algorithm", "hmac-sha3", "must be one of hmac-sha256, "),
        ("secret", "no base64!", "must be base64, as tsig-keygen and keymgr write it"),
        ("ttl", 0, "greater than or equal to 1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(key: str, value: Any, said: str):
    given = {"key_name": "agent", "secret": OTHER, key: value}
    with pytest.raises(ValidationError, match=said) as raised:
        Rfc2136(**given)
    assert OTHER not in str(raised.value)


def test_the_secret_is_shown_nowhere():
    made = Rfc2136(key_name="agent", secret=OTHER)
    assert OTHER not in repr(made) + str(made) + made.model_dump_json()


def test_the_plugin_keeps_the_contract(zones: Zones):
    zone = zones.add("example.com", secondary=False)
    settings = {"server": BIND9, "port": zones.port, "key_name": zones.key.name, "secret": zones.key.secret}
    check_plugin("rfc2136", settings={"dns": {"rfc2136": settings}})
    assert zones.bind9.txt(f"_acme-challenge.check.{zone}") == []
