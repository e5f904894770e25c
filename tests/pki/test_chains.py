import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from agent.errors.chain import (
    CertificateUnreadable,
    ChainError,
    IssuerMayNotSign,
    IssuerMissing,
    KeyMismatch,
    KeyUnreadable,
    KeyUnsupported,
    LeafIsAuthority,
    NoLeaf,
    SignatureInvalid,
    UnusedCertificates,
    WeakKey,
    WeakSignature,
    WrongIssuer,
)
from agent.inspection import InputFile, diagnose
from agent.pki.certificate import describe
from agent.pki.chain import (
    Chain,
    KeyType,
    PeerCertificate,
    Purpose,
    generate_key,
    key_type_of,
    load_certificates,
    load_key,
)
from agent.pki.key import load_known_key
from agent.pki.signing_request import request_pem
from support.cas.certificates import DAY, NOW, dsa_key, issue, key_pem, p256_key, pem, root, rsa_key

ROOT = root()
FIRST = ROOT.authority("First CA", days=60)
SECOND = FIRST.authority("Second CA")
LEAF = SECOND.leaf("www.example.com", "*.Example.com", "192.0.2.1", "2001:db8::1")
ISSUERS = (SECOND.certificate, FIRST.certificate)
OTHER = root("Other Root")


def cause(error: pytest.ExceptionInfo[ChainError]) -> str:
    return error.value.problem.cause


def test_a_chain_says_what_it_is():
    chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS, anchor=ROOT.certificate)
    assert chain.names == ("www.example.com", "*.example.com", "192.0.2.1", "2001:db8::1")
    assert chain.id == LEAF.certificate.fingerprint(hashes.SHA256()).hex() == chain.fingerprints[0]
    assert chain.fingerprints[1:] == tuple(each.fingerprint(hashes.SHA256()).hex() for each in ISSUERS)
    assert chain.anchor_sha256 == ROOT.certificate.fingerprint(hashes.SHA256()).hex()
    assert chain.issuer == "Second CA"
    assert int(chain.serial, 16) == LEAF.certificate.serial_number
    assert chain.key_type is KeyType.ECDSA_P256
    assert chain.purposes == (Purpose.SERVER, Purpose.CLIENT)
    assert chain.not_before == NOW - DAY
    assert chain.not_after == NOW + 90 * DAY
    assert chain.authority_key_id == x509.SubjectKeyIdentifier.from_public_key(SECOND.key.public_key()).digest.hex()


def test_a_chain_ends_with_the_first_of_its_certificates_that_ends():
    chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS)
    assert chain.usable_until == NOW + 60 * DAY
    assert chain.usable(NOW)
    assert not chain.usable(NOW + 60 * DAY)
    assert not chain.usable(NOW - 2 * DAY)
    assert chain.usable(NOW - DAY)


def test_a_chain_covers_names_by_wildcard_and_by_address():
    chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS)
    assert chain.covers(["www.example.com", "mail.example.com", "192.0.2.1"])
    assert not chain.covers(["www.example.com", "example.com"])
    assert not chain.covers(["192.0.2.2"])


def test_chains_are_equal_when_their_leaves_are():
    chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS)
    assert chain == Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS, anchor=ROOT.certificate)
    assert len({chain, Chain(key=LEAF.key, leaf=LEAF.certificate)}) == 1
    assert chain != PeerCertificate(leaf=LEAF.certificate, intermediates=ISSUERS)


def test_repr_names_the_chain_and_never_shows_the_key():
    chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS)
    assert repr(chain) == (
        f"<Chain {chain.id[:12]} www.example.com, *.example.com, 192.0.2.1, 2001:db8::1 "
        "issued by Second CA until 2026-12-31T12:00:00Z>"
    )
    assert repr(PeerCertificate(leaf=LEAF.certificate, intermediates=ISSUERS)).startswith("<PeerCertificate ")


@given(
    order=st.permutations([LEAF.certificate, *ISSUERS, ROOT.certificate]),
    repeated=st.lists(st.sampled_from([LEAF.certificate, *ISSUERS, ROOT.certificate]), max_size=4),
)
def test_certificates_in_any_order_with_duplicates_build_the_same_chain(order, repeated):
    chain = Chain.build(LEAF.key, [*repeated, *order])
    assert chain.presented == (LEAF.certificate, *ISSUERS)
    assert chain.anchor == ROOT.certificate


def test_what_a_ca_answers_to_a_request_in_pem_is_read_in_any_order():
    request = x509.load_pem_x509_csr(request_pem(LEAF.key, {"b.example.test", "192.0.2.1", "a.example.test"}))
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in names] == ["192.0.2.1", "a.example.test", "b.example.test"]
    assert request.public_key() == LEAF.key.public_key()
    answer = b"signed by hand\n" + pem(*ISSUERS, LEAF.certificate)
    chain = Chain.build_pem(LEAF.key, answer, anchors=[ROOT.certificate])
    assert (chain.presented, chain.anchor) == ((LEAF.certificate, *ISSUERS), ROOT.certificate)
    with pytest.raises(CertificateUnreadable):
        Chain.build_pem(LEAF.key, b"no certificate")


def test_the_root_is_found_among_the_known_ones_and_never_served():
    chain = Chain.build(LEAF.key, [*ISSUERS, LEAF.certificate], anchors=[OTHER.certificate, ROOT.certificate])
    assert chain.intermediates == ISSUERS
    assert chain.anchor == ROOT.certificate
    assert Chain.build(LEAF.key, [*ISSUERS, LEAF.certificate]).anchor is None


def test_a_chain_that_was_written_in_order_is_read_back():
    for anchor in (None, ROOT.certificate):
        chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS, anchor=anchor)
        back = Chain.from_pem(pem(*chain.presented, *([anchor] if anchor else [])), key_pem(LEAF.key))
        assert (back.presented, back.anchor) == (chain.presented, anchor)


def test_a_self_signed_certificate_of_a_service_is_a_chain_of_one():
    for ca in (False, True):  # `openssl req -x509` makes a CA of it
        alone = issue("gw.example.test", issuer=None, names=("gw.example.test",), ca=ca)
        chain = Chain.build(alone.key, [alone.certificate])
        assert chain.presented == (alone.certificate,)
        assert chain.anchor is None
        assert Chain.from_pem(pem(alone.certificate), key_pem(alone.key)) == chain


def test_of_a_cross_signed_issuer_the_twin_that_lives_longest_is_served():
    key = p256_key()
    twins = [
        issue("Cross CA", issuer=parent, ca=True, key=key, days=days) for parent, days in ((ROOT, 30), (OTHER, 300))
    ]
    leaf = twins[0].leaf("www.example.com")
    given = [leaf, *twins, ROOT, OTHER]
    for order in (given, given[::-1]):
        chain = Chain.build(leaf.key, [party.certificate for party in order])
        assert chain.intermediates == (twins[1].certificate,)
        assert chain.anchor == OTHER.certificate


def test_certificates_without_key_identifiers_link_by_name_and_signature():
    authority = OTHER.authority("Old CA", identifiers=False)
    leaf = authority.leaf("www.example.com", identifiers=False)
    assert Chain.build(leaf.key, [authority.certificate, leaf.certificate]).intermediates == (authority.certificate,)
    assert Chain(key=leaf.key, leaf=leaf.certificate).authority_key_id is None


def test_a_key_of_something_else_is_refused():
    with pytest.raises(KeyMismatch) as caught:
        Chain(key=p256_key(), leaf=LEAF.certificate, intermediates=ISSUERS)
    assert '"www.example.com"' in cause(caught)
    with pytest.raises(KeyMismatch):
        Chain.build(rsa_key(), [LEAF.certificate, *ISSUERS])


@pytest.mark.parametrize("certificates", [[], [ROOT.certificate, FIRST.certificate]], ids=["none", "authorities"])
def test_without_a_leaf_there_is_no_chain(certificates):
    with pytest.raises(NoLeaf):
        Chain.build(LEAF.key, certificates)


def test_the_key_of_an_authority_is_no_service():
    with pytest.raises(LeafIsAuthority) as caught:
        Chain(key=SECOND.key, leaf=SECOND.certificate, intermediates=(FIRST.certificate,))
    assert '"Second CA"' in cause(caught)
    with pytest.raises(LeafIsAuthority):
        Chain.build(ROOT.key, [LEAF.certificate, *ISSUERS, ROOT.certificate])


def test_a_wrong_order_is_refused():
    with pytest.raises(WrongIssuer) as caught:
        Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS[::-1])
    assert 'was issued by "Second CA", but the certificate of "First CA" follows' in cause(caught)
    with pytest.raises(WrongIssuer):
        Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS, anchor=OTHER.certificate)


def test_a_namesake_with_another_key_is_no_issuer():
    namesake = FIRST.authority("Second CA")
    with pytest.raises(WrongIssuer):
        Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=(namesake.certificate,))
    unlabelled = FIRST.authority("Second CA", identifiers=False)
    with pytest.raises(SignatureInvalid):
        Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=(unlabelled.certificate,))
    with pytest.raises(SignatureInvalid) as caught:
        Chain.build(LEAF.key, [LEAF.certificate, unlabelled.certificate])
    assert 'of "www.example.com" does not verify with the key of "Second CA"' in cause(caught)


def test_an_altered_certificate_is_refused():
    alone = issue("gw.example.test", issuer=None, names=("gw.example.test",))
    der = bytearray(alone.certificate.public_bytes(Encoding.DER))
    der[der.rindex(b"gw.example.test")] ^= 1
    forged = x509.load_der_x509_certificate(bytes(der))
    with pytest.raises(SignatureInvalid):
        Chain(key=alone.key, leaf=forged)
    with pytest.raises(SignatureInvalid):
        Chain.build(alone.key, [forged])


def test_a_missing_issuer_is_named():
    with pytest.raises(IssuerMissing) as caught:
        Chain.build(LEAF.key, [LEAF.certificate, FIRST.certificate, ROOT.certificate])
    assert 'issued by "Second CA", which is missing' in cause(caught)


def test_a_certificate_that_belongs_to_nothing_is_named():
    with pytest.raises(UnusedCertificates) as caught:
        Chain.build(LEAF.key, [LEAF.certificate, *ISSUERS, OTHER.certificate])
    assert '"Other Root" has nothing to do with' in cause(caught)
    stranger = OTHER.leaf("other.example.com")
    with pytest.raises(UnusedCertificates):
        Chain.build(LEAF.key, [LEAF.certificate, stranger.certificate])


def test_an_issuer_must_be_an_authority_that_may_sign_so_deep():
    for options, reason in [
        ({"ca": False}, "not a certificate authority"),
        ({"ca": False, "constraints": False}, "not a certificate authority"),
        ({"ca": True, "cert_sign": False}, "keyCertSign"),
    ]:
        issuer = issue("Some CA", issuer=ROOT, **options)
        leaf = issuer.leaf("www.example.com")
        with pytest.raises(IssuerMayNotSign) as caught:
            Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(issuer.certificate,))
        assert reason in cause(caught)


def test_the_path_length_is_counted_from_the_leaf():
    short = ROOT.authority("Short CA", pathlen=0, cert_sign=True)
    direct = short.leaf("www.example.com")
    assert Chain(
        key=direct.key, leaf=direct.certificate, intermediates=(short.certificate,), anchor=ROOT.certificate
    ).intermediates
    below = short.authority("Below CA")
    deep = below.leaf("www.example.com")
    with pytest.raises(IssuerMayNotSign) as caught:
        Chain(key=deep.key, leaf=deep.certificate, intermediates=(below.certificate, short.certificate))
    assert "it allows no authorities below itself (path length), and there is 1" in cause(caught)
    narrow = root("Narrow Root", pathlen=0)
    middle = narrow.authority("Middle CA")
    leaf = middle.leaf("www.example.com")
    with pytest.raises(IssuerMayNotSign):
        Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(middle.certificate,), anchor=narrow.certificate)


def test_a_root_of_version_1_is_trusted_for_being_known():
    old = root("Old Root", constraints=False, identifiers=False)
    leaf = old.leaf("www.example.com")
    assert (
        Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(), anchor=old.certificate).anchor == old.certificate
    )


def test_weak_keys_and_digests_are_refused_wherever_they_are():
    weak = ROOT.leaf("www.example.com", key=rsa_key(1024))
    with pytest.raises(WeakKey) as caught:
        Chain(key=weak.key, leaf=weak.certificate)
    assert '"www.example.com" has 1024 bits' in cause(caught)
    authority = ROOT.authority("Weak CA", key=rsa_key(1024))
    leaf = authority.leaf("www.example.com")
    with pytest.raises(WeakKey) as caught:
        Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(authority.certificate,))
    assert '"Weak CA"' in cause(caught)


@pytest.mark.parametrize(
    ("last", "name"),
    [(5, "SHA1"), (4, "MD5"), (3, "MD4"), (16, "SHA-512/256"), (127, "the algorithm 1.2.840.113549.1.1.127")],
)
def test_a_signature_with_a_weak_or_unknown_algorithm_is_refused_as_that(last: int, name: str):
    """Never as one that does not verify: nobody tries to."""
    sha256, other = (bytes.fromhex("2a864886f70d0101") + bytes([each]) for each in (11, last))  # RFC 8017, with RSA
    authority = root(key=rsa_key())
    leaf = authority.leaf("www.example.com")
    old = x509.load_der_x509_certificate(leaf.certificate.public_bytes(Encoding.DER).replace(sha256, other))
    with pytest.raises(WeakSignature) as caught:
        Chain(key=leaf.key, leaf=old)
    said = f'The certificate of "www.example.com" is signed with {name}, which services and clients refuse.'
    assert cause(caught) == said
    with pytest.raises(WeakSignature) as caught:
        diagnose([InputFile("a", key_pem(leaf.key) + pem(old, authority.certificate))], now=NOW)
    assert cause(caught) == said
    with pytest.raises(WeakSignature):
        Chain.build(leaf.key, [old, authority.certificate])


def test_a_key_that_nobody_can_serve_with_is_refused():
    leaf = ROOT.leaf("www.example.com", key=ec.generate_private_key(ec.SECP521R1()))
    with pytest.raises(KeyUnsupported) as caught:
        Chain(key=leaf.key, leaf=leaf.certificate)
    assert '"secp521r1"' in cause(caught)
    with pytest.raises(KeyUnsupported):
        key_type_of(dsa_key().public_key())


@pytest.mark.parametrize(
    ("usages", "purposes"),
    [
        ([ExtendedKeyUsageOID.SERVER_AUTH], (Purpose.SERVER,)),
        ([ExtendedKeyUsageOID.CLIENT_AUTH], (Purpose.CLIENT,)),
        ([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH], (Purpose.SERVER, Purpose.CLIENT)),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], (Purpose.SERVER, Purpose.CLIENT)),
        ([ExtendedKeyUsageOID.CODE_SIGNING], ()),
    ],
)
def test_purposes_are_those_of_the_extended_key_usage(usages, purposes):
    leaf = ROOT.leaf("www.example.com", extensions=(x509.ExtendedKeyUsage(usages),))
    assert Chain(key=leaf.key, leaf=leaf.certificate).purposes == purposes


def test_the_common_name_counts_only_where_there_are_no_alternative_names():
    old = issue("WWW.Example.com", issuer=ROOT)
    assert Chain(key=old.key, leaf=old.certificate).names == ("www.example.com",)
    titled = issue("My Server", issuer=ROOT)
    assert Chain(key=titled.key, leaf=titled.certificate).names == ()
    mail = x509.SubjectAlternativeName(
        [x509.RFC822Name("a@example.com"), x509.DNSName("a b"), x509.DNSName("b.example")]
    )
    mixed = issue("www.example.com", issuer=ROOT, extensions=(mail,))
    assert Chain(key=mixed.key, leaf=mixed.certificate).names == ("b.example",)


@pytest.mark.parametrize(
    ("organization", "name", "shown"),
    [
        ("Let's Encrypt", "R11", "Let's Encrypt R11"),
        ("Example Commerce Ltd", "Example Commerce CA 4", "Example Commerce CA 4"),
        ("EXAMPLE, Inc.", "Example G2", "Example G2"),
        ("", "gw Root CA", "gw Root CA"),
        ("Toy\x1b[2J", "R1", "Toy?[2J R1"),
    ],
)
def test_an_issuer_is_called_by_its_organization_too_where_its_name_does_not_say_who_that_is(organization, name, shown):
    leaf = ROOT.authority(name, organization=organization).leaf("www.example.com")
    assert describe(leaf.certificate).issuer == shown


def test_an_issuer_without_a_common_name_is_called_by_its_organization_and_nothing_unprintable_is_shown():
    from agent.pki.certificate import short

    organization = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Toy\x1b[2J Ltd")
    country = x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "AT")
    assert short(x509.Name([country, organization])) == "Toy?[2J Ltd"
    assert short(x509.Name([country])) == "C=AT"


def test_a_certificate_with_an_empty_subject_is_called_by_its_first_name_or_number():
    from agent.pki.certificate import title_of

    named = issue(None, issuer=ROOT, names=("gw.example.test",))
    assert title_of(named.certificate) == "gw.example.test"
    nameless = issue(None, issuer=ROOT)
    assert title_of(nameless.certificate) == f"serial {nameless.certificate.serial_number:x}"


@pytest.mark.parametrize("key_type", KeyType)
def test_a_key_of_each_type_can_be_made(key_type: KeyType):
    assert key_type_of(generate_key(key_type).public_key()) is key_type


def test_an_rsa_key_of_an_odd_size_counts_as_the_next_smaller_type():
    assert key_type_of(rsa_key(2560).public_key()) is KeyType.RSA_2048


def test_an_uploaded_ed25519_chain_is_accepted():
    leaf = ROOT.leaf("www.example.com", key=ed25519.Ed25519PrivateKey.generate())
    assert Chain.build(leaf.key, [leaf.certificate]).key_type is KeyType.ED25519


def test_keys_are_read_in_every_usual_form_beside_other_blocks():
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        from cryptography.hazmat.primitives.serialization import NoEncryption

        text = LEAF.key.private_bytes(Encoding.PEM, form, NoEncryption())
        assert load_key(b"Bag Attributes\r\n" + pem(LEAF.certificate) + text).public_key() == LEAF.key.public_key()
        assert load_key(text.replace(b"\n", b"\r\n")).public_key() == LEAF.key.public_key()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "there is no private key"),
        (pem(LEAF.certificate), "there is no private key"),
        (key_pem(LEAF.key) * 2, "there are 2 private keys"),
        (key_pem(LEAF.key)[:-40], "there is no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "it is damaged or not a key"),
        (
            LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
            "it is protected by a password",
        ),
        (
            LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")),
            "it is protected by a password",
        ),
    ],
    ids=["nothing", "certificate", "two", "torn", "damaged", "encrypted", "encrypted traditional"],
)
def test_a_key_that_can_not_be_read_is_refused_with_a_reason_and_without_its_bytes(data: bytes, reason: str):
    with pytest.raises(KeyUnreadable) as caught:
        load_key(data)
    assert cause(caught) == f"The private key can't be read: {reason}."
    assert caught.value.__cause__ is None
    assert caught.value.problem.detail == ""


def test_the_numbers_of_an_rsa_key_are_checked_when_it_comes_in_and_not_each_time_that_it_is_read_back():
    good = rsa_key().private_numbers()
    numbers = rsa.RSAPrivateNumbers(good.p, good.q, good.d + 2, good.dmp1, good.dmq1, good.iqmp, good.public_numbers)
    damaged = key_pem(numbers.private_key(unsafe_skip_rsa_key_validation=True))
    with pytest.raises(KeyUnreadable) as caught:
        load_key(damaged)
    assert cause(caught) == "The private key can't be read: it is damaged or not a key."
    assert load_known_key(damaged).public_key().public_numbers() == good.public_numbers


def test_a_weak_key_is_refused_when_it_is_read():
    with pytest.raises(WeakKey):
        load_key(key_pem(rsa_key(1024)))
    with pytest.raises(KeyUnsupported):
        load_key(key_pem(dsa_key()))


def test_certificates_are_read_in_order_and_a_damaged_one_is_named_by_its_number():
    text = pem(LEAF.certificate, *ISSUERS)
    assert load_certificates(b"text\n" + key_pem(LEAF.key) + text) == (LEAF.certificate, *ISSUERS)
    damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(CertificateUnreadable) as caught:
        load_certificates(pem(LEAF.certificate) + damaged)
    assert cause(caught) == "A certificate can't be read: number 2 is not well-formed (it begins with something else)."
    with pytest.raises(CertificateUnreadable):
        load_certificates(b"garbage")


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.binary(max_size=200), st.integers(min_value=0))
def test_a_certificate_with_changed_bytes_is_refused_or_still_whole(noise: bytes, position: int):
    der = bytearray(LEAF.certificate.public_bytes(Encoding.DER))
    at = position % len(der)
    der[at : at + len(noise)] = noise
    from agent.pki.certificate import load_der_certificate

    try:
        chain = Chain(key=LEAF.key, leaf=load_der_certificate(bytes(der)), intermediates=ISSUERS)
    except ChainError:
        return
    assert chain.leaf == LEAF.certificate


def test_what_needs_no_chain_does_not_load_cryptography():
    program = "import sys, agent.pki.chain, agent.pki.encoding; sys.exit('cryptography' in sys.modules or 'idna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_chain_is_valid_from_its_last_beginning():
    chain = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=ISSUERS)
    assert chain.usable_from == NOW - DAY
    assert not chain.usable(NOW - DAY - timedelta(seconds=1))
