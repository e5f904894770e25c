"""The whole agent at a real CA that misbehaves: what serves goes on, all say the same, and it heals by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.model.finding import SubjectKind
from support.appliances.certified import Certified
from support.appliances.deployed import served
from support.appliances.proxied import SITES
from support.cas import certificates as toy_ca
from support.cas.acme2certifier import Acme2Certifier
from support.cas.misbehaving import Misbehaving
from support.cas.stub_server import Reply

SITE = SITES[0]
WORDS = "The database is down"


@pytest.fixture
def appliance(misbehaving: Misbehaving) -> Iterator[Certified]:
    """One site, not applied yet."""
    with Certified.make(ca=misbehaving.ca, acme={"directory": misbehaving.directory_url}) as made:
        misbehaving.clock = made.clock
        made.configure()
        yield made


def of_the_ca(appliance: Certified) -> list[str]:
    with appliance.store() as store:
        return [each.problem.code for each in store.conditions.all() if each.kind is SubjectKind.CA]


CASES: dict[str, tuple[str, Callable[[Misbehaving], Reply], str, str]] = {
    "2 GB": ("/dir", lambda ca: ca.big(), "source.no_directory", "its answer is longer than 1 MB"),
    "page": ("/order-plz", lambda _: Reply(500, body=f"<h1>{WORDS}</h1>".encode()), "source.ca_failed", WORDS),
    "refusal": ("/finalize-order/", lambda _: Reply(403, "unauthorized", WORDS), "source.account_refused", WORDS),
    "busy": (
        "/my-order/",
        lambda _: Reply(503, body=WORDS.encode(), headers={"Retry-After": "600"}),
        "source.ca_busy",
        WORDS,
    ),
    "no chain": ("/certZ/", lambda _: Reply(body=f"<h1>{WORDS}</h1>".encode()), "source.ca_failed", WORDS),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("path", "reply", "code", "words"), CASES.values(), ids=CASES)
def test_the_local_chain_serves_and_text_json_and_exit_code_tell_why_until_it_is_over(
    appliance: Certified,
    misbehaving: Misbehaving,
    path: str,
    reply: Callable[[Misbehaving], Reply],
    code: str,
    words: str,
):
    misbehaving.answers(path, reply(misbehaving))
    said = appliance.terminal.run("apply")
    assert said.returncode == 3
    assert words in said.stdout + said.stderr
    assert appliance.sources() == {SITE: "local"}
    assert served(appliance.port, SITE) == appliance.chains()[SITE]
    status = appliance.terminal.run("status")
    found = appliance.terminal.json("status")["findings"]
    assert status.returncode == 3
    assert words in status.stdout
    assert "Next try in " in status.stdout
    about = {(each["kind"], each["problem"]["code"]) for each in found}
    assert about == {("ca", code), ("chain", code)}
    assert all(words in each["problem"]["cause"] and each["problem"]["retry_at"] for each in found)

    misbehaving.heals()
    ordered = len(misbehaving.requests("/finalize-order/"))
    appliance.clock.advance(days=2)
    appliance.apply()
    appliance.assert_certified(SITE)
    assert of_the_ca(appliance) == appliance.orders_failed() == []
    finalized = len(misbehaving.requests("/finalize-order/")) - ordered
    assert finalized == (0 if path == "/certZ/" else 1), "a certificate that the CA has issued is not ordered again"


def test_a_chain_of_the_ca_that_serves_is_left_alone_until_its_renewal_succeeds(
    appliance: Certified, misbehaving: Misbehaving
):
    appliance.apply()
    before = appliance.certified()
    appliance.renew()
    for path, reply, code, _words in CASES.values():
        misbehaving.heals()
        misbehaving.answers(path, reply(misbehaving))
        appliance.clock.advance(days=2)
        appliance.apply()
        assert appliance.certified() == before != ""
        [failed] = appliance.orders_failed()
        assert failed.problem
        assert failed.problem["code"] == code
    misbehaving.heals()
    appliance.clock.advance(days=2)
    appliance.apply()
    appliance.assert_certified(SITE)
    assert appliance.certified() != before
    assert appliance.orders_failed() == []


def test_an_order_that_hangs_is_left_to_the_next_run_which_is_about_it(appliance: Certified, misbehaving: Misbehaving):
    misbehaving.answers("/order-plz", misbehaving.hanging())
    left = appliance.terminal.run("apply", "--timeout", "1")
    assert left.returncode == 3
    assert "Orders are unfinished; the next run continues them." in left.stdout + left.stderr
    assert appliance.sources() == {SITE: "local"}
    misbehaving.heals()
    done = appliance.terminal.run("renew")
    assert done.returncode == 0, done.stderr
    assert "Nothing is renewed" not in done.stderr
    assert f"In service as asked: reverse_proxy/{SITE}." in done.stdout + done.stderr
    appliance.assert_certified(SITE)


# Deliveries of another make of CA

Delivery = Callable[[x509.Certificate, x509.Certificate, x509.Certificate], Sequence[x509.Certificate]]
MENDED: dict[str, Delivery] = {
    "order": lambda leaf, issuer, _root: (issuer, leaf),
    "root between": lambda leaf, issuer, root: (leaf, root, issuer),
    "root": lambda leaf, issuer, root: (leaf, issuer, root),
    "duplicates": lambda leaf, issuer, _root: (leaf, leaf, issuer),
}
SIGNED: dict[str, tuple[dict[str, object], bool]] = {
    "more names": ({"names": (SITE, f"www.{SITE}")}, True),
    "upper case": ({"names": (SITE.upper(),)}, True),
    "no common name": ({"cn": None}, True),
    "other names": ({"names": ("other.example.test",)}, False),
    "other key": ({"key": toy_ca.p256_key()}, False),
    "ended": ({"now": datetime.now(UTC) - timedelta(days=100)}, False),
    "critical extension": (
        {"critical": (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"),)},
        False,
    ),
}


class Certifier(Misbehaving):
    """acme2certifier, behind a proxy that changes what it delivers."""

    def __init__(self, ca: Acme2Certifier) -> None:
        super().__init__(ca)
        here = ca.directory
        key = load_pem_private_key((here / "issuing.key").read_bytes(), None)
        issuer = x509.load_pem_x509_certificate((here / "issuing.pem").read_bytes())
        self.issuer = toy_ca.Party(key, issuer)  # type: ignore[arg-type]
        self.root = x509.load_pem_x509_certificate(ca.root_file.read_bytes())

    def delivers(self, change: Callable[[x509.Certificate], Sequence[x509.Certificate]]) -> None:
        def changed(reply: Reply) -> Reply:
            leaf = x509.load_pem_x509_certificates(reply.content())[0]
            return replace(reply, body=toy_ca.pem(*change(leaf)))

        self.edits("/acme/cert/", changed)


@pytest.fixture
def certifier(acme2certifier: Acme2Certifier) -> Iterator[Certifier]:
    ca = Certifier(acme2certifier)
    yield ca
    ca.close()


@pytest.fixture
def certified(certifier: Certifier) -> Iterator[Certified]:
    with Certified.make(ca=certifier.ca, acme={"directory": certifier.directory_url}) as made:
        made.configure()
        yield made


@pytest.mark.sampled(1)
@pytest.mark.parametrize("shape", MENDED.values(), ids=MENDED)
def test_a_chain_in_another_shape_is_served_from_its_only_order(
    certified: Certified, certifier: Certifier, shape: Delivery
):
    certifier.delivers(lambda leaf: shape(leaf, certifier.issuer.certificate, certifier.root))
    certified.apply()
    certified.assert_certified(SITE)
    assert certified.chain().presented[1:] == (certifier.issuer.certificate,)
    certified.apply()
    assert len(certifier.requests("/acme/neworders")) == 1


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("options", "good"), SIGNED.values(), ids=SIGNED)
def test_a_leaf_that_is_another_is_served_where_it_does_no_harm_and_else_never_stored(
    certified: Certified, certifier: Certifier, options: dict[str, object], good: bool
):
    def signed(leaf: x509.Certificate) -> Sequence[x509.Certificate]:
        wanted = {"key": Public(leaf.public_key()), "now": certified.clock(), "names": (SITE,), "cn": SITE, **options}
        return (certifier.issuer.leaf(SITE, **wanted).certificate, certifier.issuer.certificate)

    certifier.delivers(signed)
    certified.apply()
    assert certified.sources() == {SITE: "acme" if good else "local"}
    assert served(certified.port, SITE) == certified.chains()[SITE]
    if good:
        certified.assert_certified(SITE)
        assert len(certifier.requests("/acme/neworders")) == 1
        return
    [failed] = certified.orders_failed()
    assert failed.retry_at
    assert failed.problem
    assert failed.problem["code"] in {"source.chain_unexpected", "source.chain_refused"}
    with certified.store() as store:
        assert [each.source for each in store.chains.records()] == ["local"]
    certifier.heals()
    certified.clock.advance(minutes=5)
    certified.apply()
    certified.assert_certified(SITE)
    assert len(certifier.requests("/acme/neworders")) == 1, "what it has issued is downloaded once more"


class Public:
    """A key of which the private half is somebody else's."""

    def __init__(self, key: object) -> None:
        self._key = key

    def public_key(self) -> object:
        return self._key
