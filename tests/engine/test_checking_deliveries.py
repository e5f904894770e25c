"""What any source delivers is compared with what was asked for, and judged, before it is stored; what serves stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from agent.model.records import ChainRecord
from agent.pki.authority import Root
from agent.pki.chain import Chain
from agent.store import Store
from support.appliances.deployed import Deployed
from support.cas import certificates as toy_ca
from support.fakes.source_context import utc_now
from support.ports import free_port

NAME = "t.example.com"
CLIENTS = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
ROOT = toy_ca.root("Carrier Root", now=utc_now())
ISSUER = ROOT.authority("Carrier Issuer", now=utc_now())

CARRIER = '''
from datetime import datetime
from pathlib import Path

from chainwright import Chain, Due, Offer, Source, hookimpl


class Carrier(Source):
    """A source that delivers what it finds in a file, certificates and key."""

    name = "carrier"
    file: str

    def offers(self, request, state):
        return Offer(serves=True)

    def due(self, request, state, now):
        at = state.chain.not_after - (state.chain.not_after - state.chain.not_before) / 3 if state.chain else now
        return Due(at=at, reason="it has none")

    def obtain(self, request, context):
        context.remark("it came by hand")
        pem = Path(self.file).read_bytes()
        return Chain.from_pem(pem, pem)


@hookimpl
def register_sources():
    return [Carrier]
'''


class Carried:
    """An appliance whose source delivers what a test puts down."""

    def __init__(self, appliance: Deployed, file: Path) -> None:
        self.appliance = appliance
        self._file = file
        appliance.drop_in("tunnel")
        appliance.layout.plugins.joinpath("carrier.py").write_text(CARRIER)
        appliance.settings(
            'hostname = "gw"\nplugins.carrier.enabled = true\nsources = ["uploaded", "carrier", "local"]\n'
            f'[modules.tunnel]\nport = {free_port()}\ndomain = "{NAME}"\n[source.carrier]\nfile = "{file}"\n'
        )

    def deliver(self, leaf: toy_ca.Party, *issuers: toy_ca.Party) -> None:
        """Put a chain down, and let the appliance ask for it."""
        path = (leaf, *(issuers or (ISSUER,)))
        self._file.write_bytes(toy_ca.pem(*(each.certificate for each in path)) + toy_ca.key_pem(leaf.key))
        self.appliance.apply()

    def bound(self) -> ChainRecord:
        with self.appliance.store() as store:
            bound = store.modules.bindings()[0]
            return next(each for each in store.chains.records() if each.id == bound.chain)

    def reason(self) -> str:
        with self.appliance.store() as store:
            return store.modules.bindings()[0].reason

    def order(self):
        with self.appliance.store() as store:
            return next(iter(store.orders.records()), None)


@pytest.fixture
def carried(appliance, tmp_path) -> Carried:
    return Carried(appliance, tmp_path / "delivery.pem")


def leaf(*names: str, **options: object) -> toy_ca.Party:
    return ISSUER.leaf(*(names or (NAME,)), now=utc_now(), **options)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: leaf("other.example.com"), f"it does not name {NAME}"),
        (lambda: leaf("www.t.example.com"), f"it does not name {NAME}"),
        (lambda: leaf(key=toy_ca.rsa_key()), "its key is rsa-2048, not ecdsa-p256"),
        (lambda: leaf(extensions=(CLIENTS,)), "it is not for servers (extended key usage)"),
        (
            lambda: leaf("other.example.com", key=toy_ca.rsa_key()),
            f"it does not name {NAME}; its key is rsa-2048, not ecdsa-p256",
        ),
    ],
    ids=["another name", "a name below", "another key", "another purpose", "several"],
)
def test_another_chain_than_was_asked_for_is_a_failure_and_the_next_rung_serves(carried, made, reason: str):
    carried.deliver(made())
    order = carried.order()
    assert order.attempts == 1
    assert order.problem["code"] == "source.chain_unexpected"
    assert order.problem["cause"] == f"carrier delivered a chain that is not what was asked for: {reason}."
    assert order.problem["where"] == "carrier"
    assert "serial number" in order.problem["detail"]
    assert carried.bound().source == "local"
    assert reason in carried.reason()


def test_it_is_asked_again_with_back_off_and_not_before(carried):
    carried.deliver(leaf("other.example.com"))
    carried.deliver(leaf())
    assert carried.bound().source == "local", "not before its time"
    carried.appliance.clock.advance(seconds=61)
    carried.deliver(leaf("other.example.com"))
    assert carried.order().attempts == 2
    carried.appliance.clock.advance(minutes=10, seconds=1)
    carried.deliver(leaf())
    assert carried.bound().source == "carrier"
    assert carried.order() is None


def test_what_serves_is_left_alone_by_a_delivery_that_is_refused(carried):
    carried.deliver(leaf(days=30))
    served = carried.bound().id
    carried.appliance.clock.advance(days=25)
    carried.deliver(leaf("other.example.com"))
    assert carried.order().attempts == 1
    assert carried.bound().id == served


@pytest.mark.parametrize(
    ("names", "wanted"), [((NAME, f"www.{NAME}"), f"www.{NAME}"), (("*.example.com",), "*.example.com")]
)
def test_more_names_and_a_wildcard_cover_what_was_asked_for(carried, names: tuple[str, ...], wanted: str):
    carried.deliver(leaf(*names))
    assert carried.bound().source == "carrier"
    assert wanted in carried.bound().names


def constrained() -> toy_ca.Party:
    elsewhere = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
    return ROOT.authority("Carrier for Elsewhere", now=utc_now(), extensions=(elsewhere,))


def test_a_chain_that_no_client_takes_is_not_stored_and_the_problem_says_why(carried):
    issuer = constrained()
    carried.deliver(issuer.leaf(NAME, now=utc_now()), issuer)
    problem = carried.order().problem
    assert problem["code"] == "source.chain_refused"
    assert problem["cause"].startswith("carrier delivered a chain that clients refuse: ")
    assert "Carrier for Elsewhere" in problem["cause"]
    assert carried.bound().source == "local"
    with carried.appliance.store() as store:
        assert {each.source for each in store.chains.records()} == {"local"}


@pytest.mark.parametrize(("made_in", "days"), [(-10, 5), (3, 90)], ids=["ended", "not begun"])
def test_a_chain_that_is_not_valid_now_is_not_stored(carried, made_in: int, days: int):
    carried.deliver(ISSUER.leaf(NAME, now=utc_now() + timedelta(days=made_in), days=days))
    assert carried.order().problem["code"] == "source.chain_refused"
    assert carried.bound().source == "local"


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def odd(days: int) -> toy_ca.Party:
    """Return a leaf that every client refuses for a critical extension that none knows."""
    return leaf(critical=(UNKNOWN,), days=days)


def test_what_serves_since_before_there_was_a_judge_is_renewed_once_with_a_warning_and_then_refused(carried):
    carried.deliver(leaf(days=20))
    old = odd(30)
    with carried.appliance.store() as store, store.write():
        request = store.modules.needs()[0].request.id
        made = Chain(key=old.key, leaf=old.certificate, intermediates=(ISSUER.certificate,))
        store.chains.add(made, source="carrier", now=carried.appliance.clock() + timedelta(seconds=1), request=request)
    carried.appliance.apply()
    assert carried.bound().id == made.id, "what serves is not taken out"
    assert ["1.3.6.1.4.1.55555.1" in each.sentence for each in carried.bound().warnings][:1] == [True], "and it is said"
    carried.appliance.clock.advance(days=21)
    carried.deliver(odd(60))
    renewed = carried.bound()
    assert renewed.id != made.id
    assert [each.clients for each in renewed.warnings if "1.3.6.1.4.1.55555.1" in each.sentence] == ["every client"]
    assert carried.order() is None

    carried.appliance.clock.advance(days=25)
    carried.deliver(odd(120))
    assert carried.order().problem["code"] == "source.chain_refused"
    assert "1.3.6.1.4.1.55555.1" in carried.order().problem["cause"]
    assert carried.bound().id == renewed.id, "it serves until something better is there, or it ends"
    carried.appliance.clock.advance(days=15)
    carried.deliver(odd(120))
    assert carried.bound().source == "local"


def test_a_fault_that_what_serves_does_not_have_is_refused_at_once(carried):
    carried.deliver(leaf(days=30))
    served = carried.bound().id
    carried.appliance.clock.advance(days=21)
    carried.deliver(odd(60))
    assert carried.order().problem["code"] == "source.chain_refused"
    assert carried.bound().id == served


def test_what_some_clients_refuse_and_what_the_source_says_is_kept_with_the_chain(carried):
    carried.deliver(leaf())
    kept = {each.code: each.sentence for each in carried.bound().warnings}
    assert kept["source.remark"] == "it came by hand"
    assert "Carrier Issuer" in kept["chain.incomplete"]
    assert carried.bound().edition > 0


@pytest.mark.parametrize(
    ("attribute", "value"), [("origin", "1 / 0"), ("authority", "7")], ids=["origin raises", "authority is no text"]
)
def test_a_plugin_that_says_nonsense_of_itself_is_told_and_costs_nothing_else(carried, attribute: str, value: str):
    plugin = carried.appliance.layout.plugins / "carrier.py"
    defect = f"    @property\n    def {attribute}(self):\n        return {value}\n"
    plugin.write_text(plugin.read_text().replace("    file: str\n", f"    file: str\n\n{defect}"))
    carried.deliver(leaf())
    assert carried.order() is None
    assert carried.bound().source == "carrier"
    with carried.appliance.store() as store:
        assert ("plugin", "carrier") in {(str(each.kind), each.subject) for each in store.conditions.all()}


def test_a_remark_that_is_no_text_is_refused_where_it_is_made(carried):
    plugin = carried.appliance.layout.plugins / "carrier.py"
    plugin.write_text(plugin.read_text().replace('remark("it came by hand")', "remark(None)"))
    carried.deliver(leaf())
    assert "a text was expected, not NoneType" in carried.order().problem["cause"]


def test_a_root_of_the_administrator_s_directory_completes_the_chain(carried):
    carried.appliance.layout.trust.mkdir(parents=True, exist_ok=True)
    carried.appliance.layout.trust.joinpath("carrier.pem").write_bytes(toy_ca.pem(ROOT.certificate))
    carried.deliver(leaf())
    assert [each.code for each in carried.bound().warnings] == ["source.remark"]


def test_a_directory_of_roots_that_can_not_be_read_stops_no_order(carried):
    carried.appliance.layout.trust.mkdir(parents=True, exist_ok=True)
    carried.appliance.layout.trust.joinpath("carrier.pem").write_text("nonsense")
    carried.deliver(leaf())
    assert carried.bound().source == "carrier"


def test_a_local_chain_that_clients_refuse_for_its_root_serves_with_a_warning_as_nothing_is_below_it(carried):
    elsewhere = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
    own = toy_ca.root("Own Root", now=utc_now(), extensions=(elsewhere,))
    with Store.open(carried.appliance.layout) as store, store.write():
        store.roots.add(Root(own.key, own.certificate), utc_now())
    carried.deliver(leaf("other.example.com"))
    assert carried.bound().source == "local"
    assert "Own Root" in carried.bound().warnings[0].sentence
    assert carried.bound().warnings[0].clients == "every client"


def test_a_local_chain_is_complete(carried):
    carried.deliver(leaf("other.example.com"))
    assert carried.bound().source == "local"
    assert carried.bound().warnings == ()
