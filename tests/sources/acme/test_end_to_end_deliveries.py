"""Deliveries of a CA through the whole agent: what is bound, what is said, and how often is ordered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509

from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.records import ChainRecord, OrderRecord
from support.appliances.deployed import Deployed
from support.cas import certificates as toy_ca
from support.cas.stub_ca import StubCa
from support.clients.terminal import Terminal
from support.fakes.source_context import utc_now
from support.ports import free_port
from support.toml import table

NAME = "t.example.com"


class Ordering:
    """An appliance with one need, and the stub CA."""

    def __init__(self, appliance: Deployed, ca: StubCa) -> None:
        self.appliance = appliance
        self.ca = ca
        self.ports = free_port(), free_port()
        appliance.drop_in("tunnel")
        self.configure()

    def configure(self, directory: str = "", **acme: object) -> None:
        port, http_port = self.ports
        settings = {"directory": directory or self.ca.directory_url, "http_port": http_port, "preflight": False}
        self.appliance.settings(
            'hostname = "gw"\nsources = ["uploaded", "acme", "local"]\n'
            f'[modules.tunnel]\nport = {port}\ndomain = "{NAME}"\n' + table("acme", {**settings, **acme})
        )

    def trust(self, root: toy_ca.Party) -> None:
        self.appliance.layout.trust.mkdir(parents=True, exist_ok=True)
        self.appliance.layout.trust.joinpath("root.pem").write_bytes(toy_ca.pem(root.certificate))

    def apply(self, **later: float) -> None:
        self.appliance.clock.advance(**later)
        self.appliance.apply()

    def bound(self) -> ChainRecord:
        with self.appliance.store() as store:
            bound = store.modules.bindings()[0].chain
            return next(each for each in store.chains.records() if each.id == bound)

    def order(self) -> OrderRecord | None:
        with self.appliance.store() as store:
            return next(iter(store.orders.records()), None)

    def conditions(self) -> list[Finding]:
        with self.appliance.store() as store:
            return [each for each in store.conditions.all() if each.kind is SubjectKind.CA]

    def ordered(self) -> int:
        return len(self.ca.requests("newOrder"))


@pytest.fixture
def ordering(appliance, stub) -> Ordering:
    return Ordering(appliance, stub)


def issue_below(stub: StubCa, *extensions: x509.ExtensionType) -> toy_ca.Party:
    stub.issuer = stub.root.authority("Stub Issuer", now=utc_now(), extensions=extensions)
    stub.deliver = lambda leaf: (leaf, stub.issuer.certificate)
    return stub.issuer


@pytest.mark.parametrize("names", [(NAME,), (NAME, f"www.{NAME}"), (NAME.upper(),)], ids=["right", "www", "upper case"])
def test_a_chain_is_bound_from_its_only_order(ordering: Ordering, stub: StubCa, names: Sequence[str]):
    issuer = issue_below(stub)
    stub.leaf_options = {"names": names}
    stub.deliver = lambda leaf: (issuer.certificate, leaf, leaf)
    ordering.trust(stub.root)
    ordering.apply()
    assert ordering.bound().source == "acme"
    assert ordering.bound().warnings == ()
    assert ordering.bound().origin == stub.directory_url
    assert ordering.ordered() == 1
    ordering.apply(minutes=10)
    assert ordering.ordered() == 1


def test_a_leaf_alone_is_bound_with_a_warning(ordering: Ordering, stub: StubCa):
    issue_below(stub)
    stub.deliver = lambda leaf: (leaf,)
    ordering.apply()
    assert ordering.bound().source == "acme"
    assert [each.code for each in ordering.bound().warnings] == ["chain.incomplete"]
    assert ordering.ordered() == 1
    ordering.trust(stub.root)
    ordering.apply()
    assert [each.code for each in ordering.bound().warnings] == ["chain.incomplete"], (
        "the intermediate is still missing"
    )


def test_a_root_that_is_made_known_later_takes_the_warning_away(ordering: Ordering, stub: StubCa):
    issue_below(stub)
    ordering.apply()
    assert [each.code for each in ordering.bound().warnings] == ["chain.incomplete"]
    ordering.trust(toy_ca.root("Another Root", now=utc_now()))
    ordering.apply()
    assert [each.code for each in ordering.bound().warnings] == ["chain.incomplete"]
    ordering.trust(stub.root)
    ordering.apply()
    assert ordering.bound().warnings == ()
    assert ordering.ordered() == 1


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
ANY = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])


@pytest.mark.parametrize(
    "options",
    [{"critical": (UNKNOWN,)}, {"critical": (x509.PrecertPoison(),)}, {"extensions": (ANY,)}],
    ids=["critical extension", "precertificate", "any purpose"],
)
def test_what_every_client_refuses_does_not_replace_what_serves(
    ordering: Ordering, stub: StubCa, options: dict[str, object]
):
    issue_below(stub)
    ordering.trust(stub.root)
    ordering.apply()
    served = ordering.bound().id
    stub.leaf_options = options
    ordering.apply(days=75)
    order = ordering.order()
    assert order is not None
    assert order.problem is not None
    assert order.problem["code"] == "source.chain_refused"
    assert ordering.bound().id == served


@pytest.mark.parametrize("options", [{"extensions": (STAPLE,)}, {"cn": None}], ids=["must staple", "empty subject"])
def test_what_some_clients_refuse_is_bound_with_a_warning(ordering: Ordering, stub: StubCa, options: dict[str, object]):
    issue_below(stub)
    ordering.trust(stub.root)
    stub.leaf_options = options
    ordering.apply()
    assert ordering.bound().source == "acme"
    assert ordering.bound().warnings[0].clients


def test_a_chain_that_clients_refuse_is_downloaded_once_more_and_then_ordered_again_ever_later(
    ordering: Ordering, stub: StubCa
):
    issue_below(stub, x509.NameConstraints([x509.DNSName("elsewhere.example")], None))
    ordering.trust(stub.root)
    orders = []
    for wait in ({}, {"seconds": 61}, {"minutes": 10, "seconds": 1}, {"minutes": 100, "seconds": 1}):
        ordering.apply(**wait)
        orders.append(ordering.ordered())
    assert orders == [1, 1, 2, 2]
    order = ordering.order()
    assert order is not None
    assert order.attempts == 4
    assert order.problem is not None
    assert order.problem["code"] == "source.chain_refused"
    assert order.problem["cause"].startswith("127.0.0.1 delivered a chain that clients refuse: ")
    assert ordering.bound().source == "local"
    issue_below(stub)
    for _ in range(2):
        ordering.apply(days=1, minutes=1)
    assert ordering.bound().source == "acme"
    assert ordering.order() is None


def test_a_name_that_is_missing_is_a_failure_and_what_serves_stays(ordering: Ordering, stub: StubCa):
    issue_below(stub)
    ordering.apply()
    served = ordering.bound().id
    stub.leaf_options = {"names": ("other.example.com",)}
    ordering.apply(days=75)
    order = ordering.order()
    assert order is not None
    assert order.problem is not None
    assert (
        order.problem["cause"]
        == f"127.0.0.1 delivered a chain that is not what was asked for: it does not name {NAME}."
    )
    assert ordering.bound().id == served


def test_chains_of_the_ca_that_the_settings_named_before_are_a_finding_until_they_are_reissued(
    ordering: Ordering, stub: StubCa
):
    issue_below(stub)
    ordering.apply()
    assert ordering.conditions() == []
    other = StubCa()
    issue_below(other)
    ordering.configure(other.directory_url)
    ordering.apply()
    [finding] = ordering.conditions()
    assert finding.problem.code == "status.origin_changed"
    assert f"chains of {stub.directory_url} are in service for {NAME}" in finding.problem.cause
    done = Terminal(ordering.appliance.root).run("reissue", "--all")
    assert done.returncode == 0, done.stderr
    assert ordering.bound().origin == other.directory_url
    assert ordering.conditions() == []
    other.close()


def test_a_ca_that_is_gone_is_a_finding_until_it_is_back(ordering: Ordering, stub: StubCa):
    issue_below(stub)
    stub.server.stop()
    ordering.apply()
    assert [(each.problem.code, each.severity) for each in ordering.conditions()] == [
        ("source.ca_unreachable", Severity.NOTICE)
    ]
    since = ordering.conditions()[0].since
    for wait in ({"seconds": 70}, {"minutes": 12}):
        ordering.apply(**wait)
    assert [(each.severity, each.since) for each in ordering.conditions()] == [(Severity.WARNING, since)]
    stub.server.start()
    ordering.apply(minutes=120)
    assert ordering.conditions() == []
    assert ordering.bound().source == "acme"


def test_a_preferred_chain_that_nothing_leads_to_is_kept_with_the_chain(ordering: Ordering, stub: StubCa):
    issue_below(stub)
    ordering.trust(stub.root)
    ordering.configure(preferred_chain="ISRG Root X9")
    ordering.apply()
    [said] = ordering.bound().warnings
    assert said.code == "source.remark"
    assert said.sentence == (
        'no chain of 127.0.0.1 leads to "ISRG Root X9" (preferred_chain), so the one to "Stub Root" is taken'
    )
