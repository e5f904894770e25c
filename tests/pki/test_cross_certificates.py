from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from subprocess import run

import pytest
from cryptography import x509

from agent.engine.cross_certification import cross_certified
from agent.errors.chain import SignatureInvalid, WrongIssuer
from agent.pki.authority import Root
from agent.pki.certificate import key_id_of, load_certificates
from agent.pki.chain import Chain, KeyType, PeerCertificate, Purpose
from agent.pki.cross import cross_certificate, why_not_certified
from agent.pki.encoding import Part, encode
from agent.pki.judge import judge
from agent.pki.profile import authority_certificate
from support.cas.certificates import DAY, pem
from support.cas.certificates import root as any_root

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ["gw.example.test", "192.0.2.1"]
ONLY_EXAMPLE = x509.NameConstraints([x509.DNSName("example.test")], None)
P256, RSA = KeyType.ECDSA_P256, KeyType.RSA_2048


def own(name: str, days: float = 3650, **more) -> Root:
    return Root.create(name, "Toy Ltd", NOW, NOW - 10 * DAY, lifetime=days * DAY, **more)


OLD = own("Toy Root CA", 400, key_type=RSA)
NEW = own("Toy Root CA 2026")


def crossed(root: Root, by: Root) -> Root:
    return replace(root, cross_path=load_certificates(cross_certified(by, root).certificate.encode()))


def leaf_of(root: Root) -> Chain:
    return root.issue(NAMES, P256, Purpose.SERVER, NOW)


def refusals(chain: Chain, roots: Iterable[Root], directory: Path) -> dict[str, str]:
    """Return what real clients say that know nothing but `roots`, where they refuse a chain."""
    known, leaf, rest, sent = (directory / f"{name}.pem" for name in ("known", "leaf", "rest", "sent"))
    known.write_bytes(pem(*(each.certificate for each in roots)))
    leaf.write_bytes(pem(chain.leaf))
    rest.write_bytes(pem(*chain.intermediates))
    sent.write_bytes(pem(*chain.presented))
    between = ["-untrusted", rest] if chain.intermediates else []
    openssl = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-x509_strict", "-purpose", "sslserver"]
    openssl += ["-verify_hostname", NAMES[0], "-CAfile", known, *between, leaf]
    gnutls = ["certtool", "--verify", "--load-ca-certificate", known, "--infile", sent]
    gnutls += ["--verify-purpose", "1.3.6.1.5.5.7.3.1", "--verify-hostname", NAMES[0]]
    found = {}
    for command in (openssl, gnutls):
        done = run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            found[str(command[0])] = done.stdout + done.stderr
    return found


@pytest.mark.parametrize("known", [[OLD], [NEW], [OLD, NEW], [NEW, OLD]], ids=["old", "new", "both", "both2"])
@pytest.mark.parametrize(("signer", "other"), [(NEW, OLD), (OLD, NEW)], ids=["signing", "prepared"])
def test_clients_that_know_either_root_take_leaves_of_both(
    signer: Root, other: Root, known: list[Root], tmp_path: Path
):
    chain = leaf_of(crossed(signer, other))
    assert len(chain.presented) == 2
    assert refusals(chain, known, tmp_path) == {}


def test_without_the_cross_certificate_they_do_not(tmp_path: Path):
    assert set(refusals(leaf_of(NEW), [OLD], tmp_path)) == {"openssl", "certtool"}
    assert set(refusals(leaf_of(OLD), [NEW], tmp_path)) == {"openssl", "certtool"}


def test_a_cross_certificate_has_the_name_the_key_and_the_identifiers_that_paths_are_built_by():
    made = cross_certificate(OLD, NEW)
    assert (made.subject, made.public_key()) == (NEW.certificate.subject, NEW.certificate.public_key())
    assert made.issuer == OLD.certificate.subject
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    authority = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier is not None
    assert authority.key_identifier.hex() == OLD.key_id
    assert key_id_of(made) == NEW.key_id == leaf_of(NEW).authority_key_id
    assert made.not_valid_before_utc == max(OLD.not_before, NEW.not_before)
    assert made.not_valid_after_utc == min(OLD.not_after, NEW.not_after)


def test_a_leaf_does_not_outlive_the_cross_certificate_that_it_is_served_with():
    short = own("Toy Root CA", 30)
    chain = leaf_of(crossed(NEW, short))
    assert chain.not_after == chain.usable_until == short.not_after
    assert leaf_of(NEW).not_after == NOW + 90 * DAY


def test_the_anchor_is_the_root_that_signed_and_what_was_written_is_read_back():
    chain = leaf_of(crossed(NEW, OLD))
    assert chain.anchor == NEW.certificate
    assert NEW.sha256 in chain.issuers
    again = Chain.from_pem(encode(chain, [Part.FULLCHAIN, Part.ROOT]), encode(chain, [Part.KEY]))
    assert (again.fingerprints, again.anchor) == (chain.fingerprints, NEW.certificate)


def test_the_judge_takes_it_by_either_root():
    chain = leaf_of(crossed(NEW, OLD))
    alone = Chain(key=chain.key, leaf=chain.leaf, intermediates=chain.intermediates)
    for path, anchors in ((chain, []), (alone, [OLD.certificate]), (alone, [NEW.certificate])):
        found = judge(path, purpose=Purpose.SERVER, now=NOW, anchors=anchors, names=NAMES)
        assert found.refused == ()
        assert not [each for each in found.warnings if each.code == "judge.incomplete"]


def test_what_follows_the_anchors_own_certificate_is_verified_as_well():
    chain = leaf_of(crossed(NEW, OLD))
    stranger = own("Stranger Root CA")
    wrong = cross_certificate(OLD, stranger)
    with pytest.raises((WrongIssuer, SignatureInvalid)):
        PeerCertificate(leaf=chain.leaf, intermediates=(wrong,), anchor=NEW.certificate)


@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        (any_root("Narrow Root", pathlen=0, now=NOW, cert_sign=True), "it allows no authorities below itself"),
        (any_root("Constrained Root", now=NOW, cert_sign=True, extensions=(ONLY_EXAMPLE,)), "name constraints"),
        (own("Toy Root CA 2026"), "both have the same name"),
        (any_root("Ended Root", now=NOW - 4000 * DAY, cert_sign=True), "never valid together"),
    ],
)
def test_a_root_that_may_not_certify_another_says_why(issuer, reason: str):
    root = Root(issuer.key, issuer.certificate)
    assert reason in why_not_certified(root, NEW)
    found = cross_certified(root, NEW)
    assert (found.certificate, found.serves(NOW)) == ("", False)
    assert reason in found.obstacle


def test_leaves_of_a_companys_subordinate_are_served_with_its_own_path_alone(tmp_path: Path):
    company = any_root("Company Root", now=NOW)
    below = company.authority("Company Appliance CA", now=NOW, cert_sign=True)
    subordinate = Root(below.key, below.certificate, (company.certificate,))
    found = cross_certified(OLD, subordinate)
    assert load_certificates(found.certificate.encode())[0].issuer == OLD.certificate.subject
    assert not found.serves(NOW)
    chain = leaf_of(crossed(subordinate, OLD))
    assert chain.intermediates == (below.certificate,)
    assert refusals(chain, [Root(company.key, company.certificate)], tmp_path) == {}


def test_in_no_order_do_clients_of_the_company_and_of_the_root_before_take_the_same_certificates(tmp_path: Path):
    company = any_root("Company Root", now=NOW)
    below = company.authority("Company Appliance CA", now=NOW, cert_sign=True)
    subordinate = Root(below.key, below.certificate, (company.certificate,))
    (cross,) = load_certificates(cross_certified(OLD, subordinate).certificate.encode())
    above = authority_certificate(OLD.key, OLD.certificate, company.certificate, NOW, NOW + 300 * DAY)
    leaf = leaf_of(subordinate).leaf
    sent = [below.certificate, cross, company.certificate, above]
    taken = {"company": 0, "before": 0}
    for order in [each for count in (1, 2) for each in permutations(sent, count)]:
        clients = {"company": Root(company.key, company.certificate), "before": OLD}
        good = [name for name, root in clients.items() if _openssl_takes(leaf, order, root, tmp_path)]
        taken |= {name: taken[name] + 1 for name in good}
        assert len(good) < 2, [each.issuer for each in order]
    assert min(taken.values()) > 1, "each is taken in some order"


def _openssl_takes(leaf: x509.Certificate, sent: Iterable[x509.Certificate], root: Root, directory: Path) -> bool:
    known, alone, rest = (directory / f"{name}.pem" for name in ("known", "leaf", "rest"))
    known.write_bytes(pem(root.certificate))
    alone.write_bytes(pem(leaf))
    rest.write_bytes(pem(*sent))
    command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", known, "-untrusted", rest, alone]
    return run(command, capture_output=True, check=False).returncode == 0


def test_gnutls_follows_the_first_issuer_too(tmp_path: Path):
    company = any_root("Company Root", now=NOW)
    below = company.authority("Company Appliance CA", now=NOW, cert_sign=True)
    subordinate = Root(below.key, below.certificate, (company.certificate,))
    (cross,) = load_certificates(cross_certified(OLD, subordinate).certificate.encode())
    leaf = leaf_of(subordinate).leaf
    clients = {"company": Root(company.key, company.certificate), "before": OLD}
    for sent, by in (((below.certificate, cross), "company"), ((cross, below.certificate), "before")):
        chain = tmp_path / "sent.pem"
        chain.write_bytes(pem(leaf, *sent))
        for name, root in clients.items():
            (tmp_path / "known.pem").write_bytes(pem(root.certificate))
            command = ["certtool", "--verify", "--load-ca-certificate", tmp_path / "known.pem", "--infile", chain]
            assert (run(command, capture_output=True, check=False).returncode == 0) is (name == by)


def test_a_cross_certificate_is_not_served_to_its_last_minute():
    found = cross_certified(own("Toy Root CA", 10), NEW)
    assert found.not_after is not None
    assert found.serves(found.not_after - timedelta(days=1, seconds=1))
    assert not found.serves(found.not_after - timedelta(days=1))
    assert not found.serves(NOW - 11 * DAY)
