"""What stops an order before the CA is asked, and what only warns: on a DNS of its own, as a CA sees it."""

from __future__ import annotations

import ast
import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import agent.sources.acme.preflight
from agent.dns.exchange import Budget
from agent.sources.acme.preflight import Finding, Findings, Preflight, lines
from agent.sources.acme.preflight.reach import PortState
from support.paths import CHECKOUT
from support.servers.dns_server import Internet, Records, Server

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HERE = "93.184.216.34"
ELSEWHERE = "93.184.216.99"
OURS = "letsencrypt.org"
ACCOUNT = "https://ca.example/acct/17"
OTHERS_CAA = {"CAA": ['0 issue "ca.example.net"']}


def open_port(address: str, port: int, budget: Budget) -> PortState:
    return PortState.OPEN


QUICK = {"patience": 1.0}
"""Where somebody is silent: not waited for as long as it might take on a busy machine."""


class Site:
    """A preflight on a DNS, and what it is told about this machine."""

    def __init__(self, internet: Internet, **options: Any) -> None:
        self.internet = internet
        options = {"roots": internet.roots, "port": internet.port, "patience": 5.0, "try_port": open_port, **options}
        options.setdefault("resolvers", [("127.0.0.1", internet.port)])
        self.preflight = Preflight(**options)

    def examine(self, *names: str, **told: Any) -> Findings:
        told = {"identities": [OURS], "account_url": ACCOUNT, "addresses": [HERE], "skew": None, "now": NOW, **told}
        return self.preflight.examine(names, **told)


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """`site({"gw.example.com": {"A": [...]}})`: a zone example.com with these records, and a preflight."""
    made: list[Internet] = []

    def make(records: Records, options: dict[str, Any] | None = None, **internet: Any) -> Site:
        zones = {"com": {}, "example.com": records, **internet.pop("zones", {})}
        made.append(Internet(zones, **internet))
        return Site(made[-1], **(options or {}))

    yield make
    for each in made:
        each.close()


def codes(found: Sequence[Finding]) -> list[str]:
    return [each.code for each in found]


def only(found: Sequence[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


# Whether the name exists


def test_a_name_that_is_in_order_gives_no_finding(site):
    found = site({"gw.example.com": {"A": [HERE]}}).examine("gw.example.com")
    assert found.all == ()
    assert lines(found) == ["Nothing was found that would keep the CA from issuing."]


def test_a_name_that_the_zone_s_own_servers_do_not_know_stops(site):
    stop = only(site({"www.example.com": {"A": [HERE]}}).examine("gw.example.com").stops)
    assert stop.code == "nxdomain"
    assert stop.cause == "gw.example.com does not exist in the DNS (NXDOMAIN from ns1.example.com)."
    assert stop.fix == "Add an A or AAAA record for gw.example.com, then: chainwright renew"


def test_a_whole_zone_that_is_not_delegated_stops(site):
    stop = only(site({}).examine("gw.example.org").stops)
    assert (stop.code, stop.name) == ("nxdomain", "gw.example.org")


@pytest.mark.parametrize(
    "records", [{"gw.example.com": {"TXT": ["text"]}}, {"a.gw.example.com": {"A": [HERE]}}], ids=["text", "empty"]
)
def test_a_name_without_an_address_stops(site, records):
    stop = only(site(records).examine("gw.example.com").stops)
    assert stop.code == "no_address"
    assert stop.cause == "gw.example.com has neither an A nor an AAAA record (so say ns1.example.com)."


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_an_address_of_one_family_is_enough(site, kind):
    address = {"A": HERE, "AAAA": "2606:2800::1"}[kind]
    assert site({"gw.example.com": {kind: [address]}}).examine("gw.example.com", addresses=[address]).all == ()


def test_a_server_that_denies_a_name_only_when_asked_for_ipv6_does_not_stop_it(site):
    made = site({"gw.example.com": {"A": [HERE]}})
    made.internet.servers["example.com"][0].treat("gw.example.com", "AAAA", rcode="NXDOMAIN")
    assert made.examine("gw.example.com").stops == ()


def test_an_alias_is_followed_into_another_zone(site):
    zones = {"net": {}, "cdn.net": {"x.cdn.net": {"A": [HERE]}}}
    assert site({"www.example.com": {"CNAME": ["x.cdn.net."]}}, zones=zones).examine("www.example.com").all == ()


def test_an_alias_of_nothing_stops_and_says_which_record_is_wrong(site):
    stop = only(site({"www.example.com": {"CNAME": ["gone.example.com."]}}).examine("www.example.com").stops)
    assert stop.code == "nxdomain"
    assert stop.cause.startswith("www.example.com is an alias of gone.example.com, which does not exist in the DNS")
    assert stop.fix.startswith("Correct the CNAME record of www.example.com, or give gone.example.com an address")


def test_aliases_that_go_in_a_circle_stop(site):
    records = {"a.example.com": {"CNAME": ["b.example.com."]}, "b.example.com": {"CNAME": ["a.example.com."]}}
    stop = only(site(records).examine("a.example.com").stops)
    assert stop.code == "alias"
    assert "(a.example.com -> b.example.com ...)" in stop.cause


def test_a_zone_below_the_zone_is_asked_itself(site):
    zones = {"shop.example.com": {"shop.example.com": {"A": [HERE]}, "www.shop.example.com": {"A": [HERE]}}}
    made = site({"gw.example.com": {"A": [HERE]}}, zones=zones)
    assert made.examine("shop.example.com", "www.shop.example.com", "gw.example.com").all == ()
    assert made.internet.servers["shop.example.com"][0].questions("shop.example.com", "A")


def test_name_servers_whose_addresses_only_the_resolver_knows_are_asked(site):
    made = site({"gw.example.com": {"A": [HERE]}}, glue=False)
    assert codes(made.examine("gw.example.com", "no.example.com").stops) == ["nxdomain"]
    assert made.internet.servers["example.com"][0].questions("gw.example.com", "A")


def test_name_servers_with_addresses_of_ipv6_only_are_asked(site):
    made = site({"gw.example.com": {"A": [HERE]}}, glue=False, inside={"gw.example.com": {"A": [HERE]}})
    served = made.internet.servers["example.com"][0]
    made.internet.tell_resolver("ns1.example.com", {"AAAA": ["::1"]})
    made.internet.tell_resolver("ns1.com", {"A": [made.internet.servers["com"][0].address]})
    with contextlib.closing(Server("::1", made.internet.port, served.answer)) as server:
        assert made.examine("gw.example.com").all == ()
        assert server.asked
    assert served.asked == []


@pytest.mark.parametrize("mood", [{}, {"rcode": "SERVFAIL"}], ids=["unknown", "failing"])
def test_name_servers_whose_addresses_nobody_knows_are_a_warning(site, mood):
    made = site({"gw.example.com": {"A": [HERE]}}, glue=False)
    made.internet.tell_resolver("ns1.example.com", None)
    made.internet.resolver.treat("ns1.example.com", **mood)
    warning = only(made.examine("gw.example.com").all)
    assert warning.cause == (
        "The name servers of example.com (ns1.example.com) do not answer for gw.example.com: "
        "their addresses can't be found."
    )


# Whether a CA can go there


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "100.64.0.9", "127.0.0.1", "169.254.1.1"])
def test_a_private_address_stops_at_a_public_ca(site, address):
    stop = only(site({"gw.example.com": {"A": [address]}}).examine("gw.example.com").stops)
    assert stop.code == "private_address"
    assert stop.cause == f"gw.example.com points to {address}, which a public CA does not connect to."


def test_a_private_address_beside_a_public_one_does_not_stop(site):
    assert site({"gw.example.com": {"A": ["10.0.0.5", HERE]}}).examine("gw.example.com").stops == ()


def test_a_private_ca_may_go_to_private_addresses(site):
    made = site({"gw.example.com": {"A": ["10.0.0.5"]}})
    assert made.examine("gw.example.com", private_ca=True, addresses=["10.0.0.5"]).all == ()


# CAA


def test_a_caa_record_of_the_zone_that_allows_others_stops_and_the_cure_names_the_record(site):
    stop = only(site({"gw.example.com": {"A": [HERE]}, "example.com": OTHERS_CAA}).examine("gw.example.com").stops)
    assert stop.code == "caa"
    assert stop.cause == (
        "example.com has CAA records that do not allow letsencrypt.org to issue for gw.example.com: "
        '0 issue "ca.example.net".'
    )
    assert stop.fix == (
        'Add the record example.com. IN CAA 0 issue "letsencrypt.org" beside them, then: chainwright renew'
    )


def test_a_caa_record_of_the_name_itself_hides_those_above(site):
    records = {"gw.example.com": {"A": [HERE], "CAA": [f'0 issue "{OURS}"']}, "example.com": OTHERS_CAA}
    assert site(records).examine("gw.example.com").all == ()


def test_the_climb_ends_at_the_top_level_domain_itself(site):
    made = site({"gw.example.com": {"A": [HERE]}}, zones={"com": {"com": OTHERS_CAA}})
    assert only(made.examine("gw.example.com").stops).fix.startswith("Add the record com. IN CAA")


def test_a_record_of_the_alias_s_target_counts_for_the_alias(site):
    zones = {"net": {}, "cdn.net": {"x.cdn.net": {"A": [HERE], **OTHERS_CAA}}}
    stop = only(site({"www.example.com": {"CNAME": ["x.cdn.net."]}}, zones=zones).examine("www.example.com").stops)
    assert stop.cause.startswith("x.cdn.net, which www.example.com is an alias of, has CAA records that do not allow")
    assert stop.fix.startswith("Add the record x.cdn.net. IN CAA")


def test_the_climb_goes_on_above_the_alias_not_above_its_target(site):
    zones = {"net": {}, "cdn.net": {"x.cdn.net": {"A": [HERE]}, "cdn.net": OTHERS_CAA}}
    records = {"www.example.com": {"CNAME": ["x.cdn.net."]}}
    assert site(records, zones=zones).examine("www.example.com").all == ()
    forbidding = site({**records, "example.com": OTHERS_CAA}, zones={**zones, "cdn.net": {"x.cdn.net": {"A": [HERE]}}})
    assert only(forbidding.examine("www.example.com").stops).code == "caa"


def test_a_wildcard_goes_by_issuewild_and_needs_no_address(site):
    made = site({"example.com": {"CAA": [f'0 issue "{OURS}"', '0 issuewild ";"']}, "gw.example.com": {"A": [HERE]}})
    assert made.examine("gw.example.com").stops == ()
    stop = only(made.examine("*.example.com", methods=lambda _name: ["dns-01"]).all)
    assert stop.certain
    assert 'IN CAA 0 issuewild "letsencrypt.org"' in stop.fix


def test_without_the_ca_s_identities_caa_is_neither_judged_nor_asked(site):
    made = site({"gw.example.com": {"A": [HERE]}, "example.com": OTHERS_CAA})
    assert made.examine("gw.example.com", identities=[]).all == ()
    assert [each for server in made.internet.all for each in server.questions(kind="CAA")] == []


def test_another_account_is_refused(site):
    records = {"gw.example.com": {"A": [HERE], "CAA": [f'0 issue "{OURS}; accounturi=https://ca.example/acct/1"']}}
    stop = only(site(records).examine("gw.example.com").stops)
    assert f"{OURS}; accounturi={ACCOUNT}" in stop.fix


# Looking again


def test_what_has_been_put_right_since_it_was_remembered_stops_nothing(site):
    made = site({"gw.example.com": {"A": [HERE]}, "example.com": OTHERS_CAA})
    assert codes(made.examine("gw.example.com").stops) == ["caa"]
    made.internet.change("example.com", "example.com", {"CAA": [f'0 issue "{OURS}"']})
    assert made.examine("gw.example.com").all == ()


def test_name_servers_that_disagree_only_warn(site):
    records = {"gw.example.com": {"A": [HERE]}}
    made = site(records, {"choose": lambda _: 0}, copies=2, other_zones={"example.com": {}})
    warning = only(made.examine("gw.example.com").all)
    assert (warning.code, warning.certain) == ("disagreement", False)
    assert warning.cause == (
        "The name servers do not agree about gw.example.com. One of them: gw.example.com does not exist in the DNS "
        "(NXDOMAIN from ns1.example.com, ns2.example.com)."
    )


def test_only_the_names_that_would_be_stopped_are_looked_at_again(site):
    made = site({"gw.example.com": {"A": [HERE]}})
    made.examine("gw.example.com", "no.example.com")
    asked = made.internet.servers["example.com"][0]
    assert len(asked.questions("gw.example.com", "A")) == 1
    assert len(asked.questions("no.example.com", "A")) == 2


@pytest.mark.parametrize("options", [{"longest": 2.5}, {"patience": 1.0}], ids=["no time", "no answer"])
def test_what_could_not_be_looked_at_again_is_not_certain(site, options):
    made = site({"www.example.com": {"A": [HERE]}}, options)
    server = made.internet.servers["example.com"][0]
    answer = server.reply_to

    def but_once(wire: bytes, over: str) -> bytes | None:
        reply = answer(wire, over)
        last = server.asked[-1]
        return None if server.asked.count(last) > 1 else reply

    server.reply_to = but_once
    found = made.examine("gw.example.com", identities=[])
    assert found.stops == ()
    assert found.warnings[0].code == "nxdomain"
    assert {each.code for each in found.all} <= {"nxdomain", "unchecked", "name_servers"}


def test_private_addresses_of_one_family_do_not_stop_while_the_other_family_is_not_known(site):
    made = site({"gw.example.com": {"A": ["10.0.0.5"]}})
    made.internet.servers["example.com"][0].treat(kind="AAAA", rcode="SERVFAIL")
    found = made.examine("gw.example.com")
    assert found.stops == ()
    assert codes(found.warnings) == ["private_address", "name_servers"]


# Split horizon


def test_another_answer_inside_this_network_is_a_warning(site):
    inside = {"gw.example.com": {"A": ["10.0.0.5"]}}
    warning = only(site({"gw.example.com": {"A": [HERE]}}, inside=inside).examine("gw.example.com").all)
    assert (warning.code, warning.certain, warning.note) == ("split_horizon", False, False)
    assert warning.cause == f"gw.example.com is {HERE} for the CA, but 10.0.0.5 inside this network."


def test_a_name_that_exists_inside_this_network_only_stops_and_says_so(site):
    made = site({"www.example.com": {"A": [HERE]}}, inside={"gw.example.com": {"A": ["10.0.0.5"]}})
    found = made.examine("gw.example.com")
    assert codes(found.stops) == ["nxdomain"]
    assert only(found.warnings).cause == (
        "gw.example.com is without an address for the CA, but 10.0.0.5 inside this network."
    )


def test_a_name_that_this_network_does_not_know_yet_does_not_stop(site):
    found = site({"gw.example.com": {"A": [HERE]}}, inside={}).examine("gw.example.com")
    assert found.stops == ()
    assert (
        only(found.warnings).cause
        == f"gw.example.com is {HERE} for the CA, but without an address inside this network."
    )


@pytest.mark.parametrize("inside", [ELSEWHERE, "10.0.0.1"], ids=["another public place", "this machine's own address"])
def test_where_that_is_most_likely_meant_it_is_only_a_note(site, inside):
    made = site({"gw.example.com": {"A": [HERE]}}, inside={"gw.example.com": {"A": [inside]}})
    assert (
        only(made.examine("gw.example.com", addresses=[HERE, "10.0.0.1"]).all)
        in made.examine("gw.example.com", addresses=[HERE, "10.0.0.1"]).notes
    )


# A private CA sees what the resolvers see


def test_a_private_ca_s_dns_is_asked_of_the_resolvers_only(site):
    made = site({}, inside={"gw.example.com": {"A": ["10.0.0.5"]}})
    assert made.examine("gw.example.com", private_ca=True).all == ()
    assert [each for those in made.internet.servers.values() for server in those for each in server.asked] == []


def test_what_an_administrator_s_resolvers_say_is_certain_for_a_private_ca(site):
    made = site({}, inside={"corp.test": OTHERS_CAA, "gw.corp.test": {"A": ["10.0.0.5"]}})
    assert codes(made.examine("no.corp.test", private_ca=True).stops) == ["nxdomain", "caa"]
    assert codes(made.examine("gw.corp.test", private_ca=True).stops) == ["caa"]


def test_what_the_system_s_resolvers_say_is_not(site, tmp_path):
    file = tmp_path / "resolv.conf"
    file.write_text("# written by hand\nnameserver\nsearch corp.test\nnameserver 127.0.0.1\n")
    made = site({}, {"resolvers": [], "resolv_conf": file}, inside={})
    warning = only(made.examine("no.corp.test", private_ca=True).all)
    assert (warning.code, warning.certain) == ("nxdomain", False)


def test_other_resolvers_are_asked_as_soon_as_the_system_names_them(site, tmp_path):
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.99\n")
    made = site({}, {"resolvers": [], "resolv_conf": file, **QUICK}, inside={"gw.corp.test": {"A": ["10.0.0.5"]}})
    assert codes(made.examine("gw.corp.test", private_ca=True).all) == ["resolver"]
    file.unlink()
    assert made.examine("gw.corp.test", private_ca=True).all == ()


# Servers that don't answer as they should


def test_where_the_way_to_the_root_servers_is_closed_the_resolvers_only_warn(site):
    made = site({}, QUICK, inside={"example.com": OTHERS_CAA, "gw.example.com": {"A": [HERE]}})
    made.internet.servers[""][0].treat(silent=True)
    found = made.examine("gw.example.com", "no.example.com")
    assert found.stops == ()
    assert codes(found.warnings) == ["caa", "nxdomain", "caa"]
    assert only(found.notes).cause == (
        "The DNS could not be asked past this network's resolvers: there was no answer. What they say was believed."
    )


def test_a_network_that_answers_in_the_root_servers_place_is_not_believed_either(site):
    made = site({"www.example.com": {"A": [HERE]}}, inside={"gw.example.com": {"A": [HERE]}})
    made.internet.servers[""][0].answer = made.internet.resolver.answer
    found = made.examine("gw.example.com", "no.example.com")
    assert found.stops == ()
    assert codes(found.warnings) == ["nxdomain"]
    assert "the answer was not from the zone's own data" in only(found.notes).cause


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ({"silent": True}, "there was no answer"),
        ({"rcode": "REFUSED"}, "the answer was REFUSED"),
        ({"rcode": "SERVFAIL", "explained": "zone expired"}, 'the answer was SERVFAIL ("zone expired")'),
        ({"lame": True}, "the answer was not from the zone's own data"),
        ({"garbage": True}, "there was no answer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_name_servers_that_do_not_answer_are_a_warning(site, mood, reason):
    made = site({"gw.example.com": {"A": [HERE]}}, QUICK)
    made.internet.servers["example.com"][0].treat(**mood)
    warning = only(made.examine("gw.example.com").all)
    assert (warning.code, warning.certain) == ("name_servers", False)
    assert warning.cause == (
        f"The name servers of example.com (ns1.example.com) do not answer for gw.example.com: {reason}."
    )


def test_the_next_name_server_is_asked_when_one_does_not_answer(site):
    made = site({"gw.example.com": {"A": [HERE]}}, copies=3)
    for server, mood in zip(
        made.internet.servers["example.com"], ({"silent": True}, {"rcode": "REFUSED"}), strict=False
    ):
        server.treat(**mood)
    assert made.examine("gw.example.com").all == ()


def test_name_servers_that_know_no_caa_records_are_a_warning_because_cas_take_that_for_a_refusal(site):
    made = site({"gw.example.com": {"A": [HERE]}})
    made.internet.servers["example.com"][0].treat(kind="CAA", rcode="NOTIMP")
    warning = only(made.examine("gw.example.com").all)
    assert warning.code == "caa_unanswered"
    assert warning.cause == (
        "Whether CAA records allow the CA to issue for gw.example.com can't be found out from the name servers of "
        "example.com (ns1.example.com): the answer was NOTIMP."
    )


def test_an_answer_that_can_not_be_read_is_a_warning(site):
    made = site({"gw.example.com": {"A": [HERE]}})
    made.internet.servers["example.com"][0].treat(kind="CAA", broken_record=True)
    assert "the answer can't be read" in only(made.examine("gw.example.com").warnings).cause


def test_resolvers_that_do_not_answer_are_one_warning_for_all_names(site):
    made = site({f"{each}.example.com": {"A": [HERE]} for each in "abc"}, QUICK)
    made.internet.resolver.treat(silent=True)
    warning = only(made.examine("a.example.com", "b.example.com", "c.example.com").all)
    assert (warning.code, warning.name) == ("resolver", "")
    assert warning.cause == "This network's resolvers (127.0.0.1) do not answer."


def test_a_resolver_s_failure_is_told_with_what_it_says_of_it(site):
    made = site({"gw.example.com": {"A": [HERE]}})
    made.internet.resolver.treat(rcode="SERVFAIL", explained="no reachable authority")
    warning = only(made.examine("gw.example.com").all)
    assert warning.code == "servfail"
    assert warning.cause == (
        "This network's resolvers can't resolve gw.example.com, and CAs may fare alike: "
        'the answer was SERVFAIL ("no reachable authority").'
    )


def test_signatures_that_are_not_good_are_told_from_other_failures(site):
    made = site({"gw.example.com": {"A": [HERE]}})
    made.internet.resolver.treat(bogus=True)
    warning = only(made.examine("gw.example.com").all)
    assert warning.code == "dnssec"
    assert warning.cause.startswith("The DNSSEC signatures of gw.example.com are not good")


def test_offline_nothing_stops(site):
    made = site({}, QUICK)
    for server in made.internet.all:
        server.treat(silent=True)
    found = made.examine("gw.example.com", "*.example.com", "192.0.2.7")
    assert found.stops == ()
    assert "resolver" in codes(found.warnings)


def test_what_takes_too_long_is_left_unchecked(site):
    made = site({"gw.example.com": {"A": [HERE]}}, {"longest": 0.3, "patience": 5.0})
    made.internet.servers["example.com"][0].treat(silent=True)
    found = made.examine("gw.example.com")
    assert codes(found.notes) == ["unchecked"]
    assert found.notes[0].cause == "gw.example.com could not be checked: there was no answer."
    assert found.stops + found.warnings == ()


def test_caa_records_for_which_there_was_no_time_are_left_unchecked(site):
    made = site({"gw.example.com": {"A": [HERE]}}, {"longest": 1.0})
    made.internet.servers["com"][0].treat(kind="CAA", silent=True)
    assert codes(made.examine("gw.example.com").all) == ["unchecked"]


def test_who_is_cancelled_returns_at_once_and_is_certain_of_nothing(site):
    made = site({}, {"patience": 60.0, "longest": 600.0})
    for server in made.internet.all:
        server.treat(silent=True)
    stop = threading.Event()
    with ThreadPoolExecutor() as pool:
        examined = pool.submit(made.examine, "gw.example.com", cancelled=stop.is_set)
        stop.set()
        assert examined.result(timeout=30) == Findings()


def test_an_error_of_a_library_is_no_error_of_the_order(site):
    def broken(address: str, port: int, budget: Budget) -> PortState:
        raise ZeroDivisionError

    made = site({"gw.example.com": {"A": [HERE]}}, {"try_port": broken})
    assert made.examine("gw.example.com", addresses=["10.0.0.1"]).all == ()
    found = made.examine("a..b")
    assert found.stops == ()
    assert found.notes[0].cause == "The names could not be checked: the answer led to EmptyLabel."


# The clock


@pytest.mark.parametrize(
    ("skew", "stops", "cause"),
    [
        (timedelta(minutes=20), False, "20 minutes behind the CA's"),
        (timedelta(minutes=-20), False, "20 minutes ahead of the CA's"),
        (timedelta(hours=5), True, "5 hours behind the CA's"),
        (timedelta(days=20780), True, "20780 days behind the CA's"),
    ],
)
def test_a_clock_that_is_wrong_is_told_and_stops_beyond_an_hour(site, skew, stops, cause):
    finding = only(site({"gw.example.com": {"A": [HERE]}}).examine("gw.example.com", skew=skew).all)
    assert (finding.code, finding.name, finding.certain) == ("clock", "", stops)
    assert finding.cause == f"This machine's clock is {cause}: it shows 2026-11-23 12:00 UTC."


def test_a_clock_that_is_about_right_gives_no_finding(site):
    assert site({"gw.example.com": {"A": [HERE]}}).examine("gw.example.com", skew=timedelta(minutes=-9)).all == ()


# What it costs


def cost(server) -> int:
    """Return how many questions a server was asked; some are asked twice where the machine is too busy to answer in time."""
    different = set(server.asked)
    assert len(server.asked) <= 2 * len(different)
    return len(different)


def test_a_hundred_names_of_one_zone_cost_three_questions_each_and_a_few_for_all(site):
    names = [f"n{number}.example.com" for number in range(100)]
    made = site({name: {"A": [HERE]} for name in names})
    assert made.examine(*names).all == ()
    assert cost(made.internet.servers["example.com"][0]) == 3 * 100 + 1  # and CAA of the zone itself
    assert cost(made.internet.servers["com"][0]) == 2
    assert cost(made.internet.servers[""][0]) == 1
    assert cost(made.internet.resolver) == 2 * 100


def test_orders_at_the_same_time_share_what_they_find_out(site):
    names = [f"n{number}.example.com" for number in range(20)]
    made = site({name: {"A": [HERE]} for name in names})
    with ThreadPoolExecutor(20) as pool:
        assert [found.all for found in pool.map(made.examine, names)] == [()] * 20
    assert cost(made.internet.servers[""][0]) == 1
    assert cost(made.internet.servers["com"][0]) == 2


def test_silent_servers_are_waited_for_by_a_few_and_not_by_all(site):
    names = [f"n{number}.example.com" for number in range(60)]
    made = site({name: {"A": [HERE]} for name in names}, QUICK)
    made.internet.resolver.treat(silent=True)
    made.examine(*names)
    assert len({each.name for each in made.internet.resolver.asked}) < 30
    assert len({each.name for each in made.internet.resolver.asked}) >= 3


# For people


def test_what_stops_stands_before_what_warns_each_with_its_cure(site):
    made = site({"www.example.com": {"A": [HERE]}}, inside={"www.example.com": {"A": ["10.0.0.5"]}})
    assert lines(made.examine("www.example.com", "no.example.com")) == [
        "stops  no.example.com does not exist in the DNS (NXDOMAIN from ns1.example.com).",
        "       Add an A or AAAA record for no.example.com, then: chainwright renew",
        f"warns  www.example.com is {HERE} for the CA, but 10.0.0.5 inside this network.",
        "       Look whether that is meant: the CA goes by the zone's own name servers, not by this network's resolver.",
    ]


# The documentation


def made_in(package: Path) -> set[str]:
    """Return the codes of all findings that the code makes."""
    calls = [node for file in package.glob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    made = [node for node in calls if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"]
    return {ast.literal_eval(node.args[1]) for node in made}


def test_every_finding_is_documented():
    page = (CHECKOUT / "docs/preflight.md").read_text()
    package = Path(next(iter(agent.sources.acme.preflight.__path__)))
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == made_in(package)
