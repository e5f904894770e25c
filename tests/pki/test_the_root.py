import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from agent.errors.chain import WeakKey
from agent.errors.root import (
    NamesMissing,
    RequestInvalid,
    RootExpired,
    RootKeyMismatch,
    RootMayNotSign,
    RootParentsWrong,
)
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.encoding import Part, encode
from agent.system.names import is_address
from support.cas.certificates import DAY, NOW, issue, key_pem, named, p256_key, pem, root, rsa_key

RELEASE = datetime(2026, 9, 1, tzinfo=UTC)
FACTORY = datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC)
P256 = KeyType.ECDSA_P256
LONG_NAME = "a" * 60 + ".example.test"

ROOT = Root.create("Toy Appliance Root", "Toy Ltd", NOW, RELEASE)


def value(certificate: x509.Certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


# The root itself


def test_the_root_is_made_from_the_release_date_for_ten_years_from_now():
    assert ROOT.not_before == RELEASE
    assert ROOT.not_after == NOW + timedelta(days=3652)
    assert ROOT.subject == "Toy Appliance Root"
    assert ROOT.sha256 == ROOT.certificate.fingerprint(hashes.SHA256()).hex()
    assert ROOT.anchor == ROOT.certificate
    assert ROOT.intermediates == ()


def test_a_root_made_in_1970_counts_from_the_release_date():
    early = Root.create("Toy Root", "Toy Ltd", FACTORY, RELEASE, lifetime=100 * DAY)
    assert early.not_before == RELEASE
    assert early.not_after == RELEASE + 100 * DAY
    leaf = early.issue(["gw"], P256, Purpose.SERVER, FACTORY)
    assert leaf.not_before == RELEASE
    assert leaf.not_after == RELEASE + 90 * DAY


def test_a_name_that_is_too_long_for_a_certificate_is_shortened():
    assert Root.create("R" * 100, "", NOW, RELEASE).subject == "R" * 64


def test_a_root_is_read_back_from_what_it_wrote():
    back = Root.from_pem(ROOT.pem(), ROOT.key_pem())
    assert (back.certificate, back.parents) == (ROOT.certificate, ())
    assert back.key.public_key() == ROOT.key.public_key()


def test_repr_never_shows_the_key():
    assert repr(ROOT) == f"<Root {ROOT.sha256[:12]} Toy Appliance Root until 2036-10-31T12:00:00Z>"
    assert b"PRIVATE" not in ROOT.pem()


# Leaves


def test_a_leaf_is_what_was_asked_for():
    chain = ROOT.issue(["gw.example.test", "192.0.2.1", "2001:db8::1"], P256, Purpose.SERVER, NOW)
    assert chain.names == ("gw.example.test", "192.0.2.1", "2001:db8::1")
    assert chain.anchor == ROOT.certificate
    assert chain.intermediates == ()
    assert chain.key_type is P256
    assert chain.purposes == (Purpose.SERVER,)
    assert chain.issuer == "Toy Appliance Root"
    assert chain.authority_key_id == ROOT.key_id
    assert chain.not_before == NOW - timedelta(minutes=5)
    assert chain.not_after == NOW + 90 * DAY


def test_a_client_leaf_is_for_clients_only():
    chain = ROOT.issue(["alice.example.test"], P256, Purpose.CLIENT, NOW)
    assert list(value(chain.leaf, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_key_usage_fits_the_key():
    for key_type, encipherment in [(P256, False), (KeyType.RSA_2048, True)]:
        usage = value(ROOT.issue(["gw"], key_type, Purpose.SERVER, NOW).leaf, x509.KeyUsage)
        assert usage.digital_signature
        assert usage.key_encipherment is encipherment
        assert not usage.key_cert_sign


def test_a_name_too_long_for_a_common_name_leaves_the_subject_empty_and_the_names_critical():
    for name, critical in [("gw.example.test", False), (LONG_NAME, True)]:
        leaf = ROOT.issue([name], P256, Purpose.SERVER, NOW).leaf
        assert leaf.subject == named(None if critical else name)
        assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical is critical


def test_serial_numbers_are_long_and_never_the_same():
    serials = {ROOT.issue(["gw"], P256, Purpose.SERVER, NOW).leaf.serial_number for _ in range(20)}
    assert len(serials) == 20
    assert max(serials).bit_length() > 140
    assert all(0 < serial < 2**159 for serial in serials)


def test_a_leaf_never_lives_longer_than_397_days_nor_longer_than_the_root():
    long = ROOT.issue(["gw"], P256, Purpose.SERVER, NOW, 1000 * DAY)
    assert long.not_after - long.not_before == 397 * DAY
    late = ROOT.issue(["gw"], P256, Purpose.SERVER, ROOT.not_after - DAY)
    assert late.not_after == ROOT.not_after
    early = ROOT.issue(["gw"], P256, Purpose.SERVER, ROOT.not_before)
    assert early.not_before == ROOT.not_before


def test_a_root_past_its_end_signs_nothing():
    with pytest.raises(RootExpired):
        ROOT.issue(["gw"], P256, Purpose.SERVER, ROOT.not_after)


def test_a_leaf_has_a_name():
    with pytest.raises(NamesMissing):
        ROOT.issue([], P256, Purpose.SERVER, NOW)


def test_a_key_can_be_kept():
    key = p256_key()
    assert ROOT.issue(["gw"], P256, Purpose.SERVER, NOW, key=key).key is key


# Requests of others


def request(key, *names: str) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(named("whatever"))
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_request_is_signed_for_the_names_that_were_granted_and_no_others():
    key = p256_key()
    peer = ROOT.sign_request(request(key, "admin.example.test"), ["alice.example.test"], Purpose.CLIENT, NOW, 30 * DAY)
    assert peer.names == ("alice.example.test",)
    assert peer.leaf.public_key() == key.public_key()
    assert peer.purposes == (Purpose.CLIENT,)
    assert peer.anchor == ROOT.certificate
    assert peer.not_after == NOW + 30 * DAY


def test_a_request_that_does_not_prove_its_key_is_refused():
    der = bytearray(x509.load_pem_x509_csr(request(p256_key())).public_bytes(Encoding.DER))
    der[der.index(b"whatever")] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(RequestInvalid, match="does not verify"):
        ROOT.sign_request(forged, ["gw"], Purpose.CLIENT, NOW)
    for garbage in (b"", b"garbage", ROOT.pem()):
        with pytest.raises(RequestInvalid, match="no whole block"):
            ROOT.sign_request(garbage, ["gw"], Purpose.CLIENT, NOW)
    with pytest.raises(WeakKey):
        ROOT.sign_request(request(rsa_key(1024)), ["gw"], Purpose.CLIENT, NOW)


# A company's subordinate CA

COMPANY = root("Company Root")
POLICY = COMPANY.authority("Company Policy CA", days=60)
SUBORDINATE = POLICY.authority("Company Appliance CA")
PARENTS = (POLICY.certificate, COMPANY.certificate)


def test_a_subordinate_ca_and_its_parents_are_served_as_intermediates_but_never_the_top():
    sub = Root(SUBORDINATE.key, SUBORDINATE.certificate, PARENTS)
    chain = sub.issue(["gw.example.test"], P256, Purpose.SERVER, NOW)
    assert chain.intermediates == (SUBORDINATE.certificate, POLICY.certificate)
    assert chain.anchor == sub.anchor == COMPANY.certificate
    assert Root.from_pem(sub.pem(), sub.key_pem()).parents == PARENTS
    assert chain.not_after == POLICY.certificate.not_valid_after_utc == sub.usable_until


def test_a_subordinate_ca_may_come_without_its_top_or_without_parents():
    for parents in ((), (POLICY.certificate,)):
        sub = Root(SUBORDINATE.key, SUBORDINATE.certificate, parents)
        chain = sub.issue(["gw.example.test"], P256, Purpose.SERVER, NOW)
        assert chain.intermediates == (SUBORDINATE.certificate, *parents)
        assert chain.anchor is None


def test_a_subordinate_ca_without_key_identifiers_signs_too():
    old = COMPANY.authority("Old CA", identifiers=False)
    chain = Root(old.key, old.certificate, (COMPANY.certificate,)).issue(["gw"], P256, Purpose.SERVER, NOW)
    assert chain.authority_key_id is not None


def test_a_certificate_that_may_not_sign_is_no_root():
    for options, reason in [
        ({"ca": False}, "not a certificate authority"),
        ({"ca": True, "cert_sign": False}, "keyCertSign"),
    ]:
        party = issue("Toy CA", issuer=None, **options)
        with pytest.raises(RootMayNotSign, match=reason):
            Root(party.key, party.certificate)


def test_the_key_must_be_the_roots_own():
    with pytest.raises(RootKeyMismatch):
        Root(p256_key(), ROOT.certificate)


def test_parents_must_lead_up_from_the_root_and_allow_it():
    with pytest.raises(RootParentsWrong, match='but the certificate of "Company Root" follows it'):
        Root(SUBORDINATE.key, SUBORDINATE.certificate, PARENTS[::-1])
    narrow = root("Narrow Root", pathlen=0)
    below = narrow.authority("Below CA")
    with pytest.raises(RootParentsWrong, match="it allows no authorities below itself"):
        Root(below.key, below.certificate, (narrow.certificate,))
    weak = COMPANY.authority("Weak CA", key=rsa_key(1024))
    with pytest.raises(RootParentsWrong, match="1024 bits"):
        Root(weak.key, weak.certificate, (COMPANY.certificate,))


# What others think of it

LEAVES = {
    "dns": (["gw.example.test", "gw.lan.example.test"], P256, Purpose.SERVER),
    "single label": (["gateway"], P256, Purpose.SERVER),
    "address": (["192.0.2.1", "2001:db8::1"], P256, Purpose.SERVER),
    "wildcard": (["*.example.test", "example.test"], P256, Purpose.SERVER),
    "idn": (["xn--bcher-kva.example.test"], P256, Purpose.SERVER),
    "long": ([LONG_NAME], P256, Purpose.SERVER),
    "rsa": (["gw.example.test"], KeyType.RSA_2048, Purpose.SERVER),
    "p384": (["gw.example.test"], KeyType.ECDSA_P384, Purpose.SERVER),
    "client": (["alice.example.test"], P256, Purpose.CLIENT),
}


def test_the_root_lints_clean():
    assert lint(ROOT.certificate) == []
    assert lint(Root.create("Toy Root", "Toy Ltd", NOW, RELEASE, key_type=KeyType.ECDSA_P384).certificate) == []
    assert lint(Root.create("Toy Root", "Toy Ltd", NOW, RELEASE, key_type=KeyType.RSA_2048).certificate) == []


@pytest.mark.parametrize("kind", LEAVES)
@pytest.mark.parametrize("root_key", [P256, KeyType.ECDSA_P384])
def test_leaves_lint_clean(kind: str, root_key: KeyType):
    signer = ROOT if root_key is P256 else Root.create("Toy Root", "Toy Ltd", NOW, RELEASE, key_type=root_key)
    names, key_type, purpose = LEAVES[kind]
    chain = signer.issue(names, key_type, purpose, NOW)
    assert lint(chain.leaf) == ["pkix.invalid_domain_name_syntax"] * (kind in {"wildcard", "single label"})
    assert lint_pair(signer.certificate, chain.leaf) == []


@pytest.mark.parametrize("kind", [kind for kind in LEAVES if kind != "client"])
def test_leaves_verify_with_the_root_alone(kind: str):
    names, key_type, purpose = LEAVES[kind]
    chain = ROOT.issue(names, key_type, purpose, NOW)
    for name in names:
        asked = name.replace("*", "any")
        subject = x509.IPAddress(ip_address(asked)) if is_address(asked) else x509.DNSName(asked)
        verifier = PolicyBuilder().store(Store([ROOT.certificate])).time(NOW).build_server_verifier(subject)
        assert verifier.verify(chain.leaf, list(chain.intermediates)) == [chain.leaf, ROOT.certificate]


def lint(certificate: x509.Certificate) -> list[str]:
    """RFC 5280 linting by pkilint; the codes found at WARNING and above."""
    from pkilint.pkix import certificate as linter
    from pkilint.pkix import extension, name

    container = linter.create_pkix_certificate_validator_container(
        linter.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            linter.create_issuer_validator_container([]),
            linter.create_validity_validator_container(),
            linter.create_subject_validator_container([]),
            linter.create_extensions_validator_container([]),
            linter.create_spki_validator_container([]),
        ],
    )
    return codes(container.validate(document(certificate).root))


def lint_pair(issuer: x509.Certificate, leaf: x509.Certificate) -> list[str]:
    """Lint a certificate and its issuer like pkilint's `lint_pkix_signer_signee_cert_chain`."""
    from pkilint.bin import lint_pkix_signer_signee_cert_chain as linter

    documents = {}
    for name, certificate in (("issuer", issuer), ("subject", leaf)):
        documents[name] = document(certificate, name, documents)
    decoding = linter.create_decoder_validation_container()
    results = [result for each in documents.values() for result in decoding.validate(each.root)]
    results += linter.create_issuer_validation_container().validate(documents["issuer"].root)
    results += linter.create_subject_validation_container().validate(documents["subject"].root)
    return codes(results)


def document(certificate: x509.Certificate, *where):
    from pkilint import loader

    return loader.RFC5280CertificateDocumentLoader().load_der_document(
        certificate.public_bytes(Encoding.DER), "test", *where
    )


def codes(results) -> list[str]:
    from pkilint.validation import ValidationFindingSeverity as Severity

    found = [finding.finding for result in results for finding in result.finding_descriptions]
    return [finding.code for finding in found if finding.severity <= Severity.WARNING]


# On the wire


@contextmanager
def served(chain: Chain, directory: Path) -> Iterator[tuple[str, int]]:
    """A TLS server that presents `chain` to everyone until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = directory / f"{chain.id}.pem"
    file.touch(mode=0o600)
    file.write_bytes(encode(chain, [Part.KEY, Part.FULLCHAIN]))
    context.load_cert_chain(file)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=accept, args=(listener, context))
        thread.start()
        address = listener.getsockname()
        try:
            yield address
        finally:
            with socket.create_connection(address, timeout=10) as last:
                last.sendall(b"end")
            thread.join(timeout=10)
            assert not thread.is_alive()


def accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            if connection.recv(3, socket.MSG_PEEK) == b"end":
                return
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.sendall(b"hello")
            except OSError:  # the client refused us: that's what some tests want
                continue


def greet(address: tuple[str, int], name: str, trusted: bytes) -> bytes:
    context = ssl.create_default_context(cadata=trusted.decode())
    with (
        socket.create_connection(address, timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=name) as tls,
    ):
        return tls.recv(5)


@pytest.mark.parametrize("kind", ["own", "subordinate"])
@pytest.mark.parametrize("key_type", [P256, KeyType.RSA_2048])
def test_a_client_that_trusts_only_the_root_accepts_its_chain(kind: str, key_type: KeyType, tmp_path: Path):
    now = datetime.now(UTC)
    own = Root.create("Toy Root", "Toy Ltd", now, now - DAY)
    company = Root.create("Company Root", "Company Ltd", now, now - DAY)
    signer = own if kind == "own" else subordinate_of(now)
    names = ["gw.example.test", "*.lan.example.test", "127.0.0.1", LONG_NAME]
    chain = signer.issue(names, key_type, Purpose.SERVER, now)
    trusted = pem(signer.anchor)
    with served(chain, tmp_path) as address:
        for name in ("gw.example.test", "tv.lan.example.test", "127.0.0.1", LONG_NAME):
            assert greet(address, name, trusted) == b"hello"
        for name in ("other.example.test", "a.b.lan.example.test", "127.0.0.2"):
            with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
                greet(address, name, trusted)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed certificate"):
            greet(address, "gw.example.test", company.pem())


def test_a_client_leaf_is_refused_as_a_server(tmp_path: Path):
    now = datetime.now(UTC)
    own = Root.create("Toy Root", "Toy Ltd", now, now - DAY)
    with served(own.issue(["gw.example.test"], P256, Purpose.CLIENT, now), tmp_path) as address:  # noqa: SIM117
        with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
            greet(address, "gw.example.test", own.pem())


def subordinate_of(now: datetime) -> Root:
    company = root("Company Root", now=now)
    sub = company.authority("Company Appliance CA", now=now, cert_sign=True)
    return Root.from_pem(pem(sub.certificate, company.certificate), key_pem(sub.key))
