"""Certificates at the edge of the standards, in the manner of Project Wycheproof: each is accepted or refused for a reason."""

import base64
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.errors.chain import CertificateUnreadable
from agent.errors.root import RequestInvalid
from agent.inspection.encoding_kind import EncodingKind, kind_of
from agent.pki.certificate import load_der_certificate
from agent.pki.chain import Chain
from agent.pki.encoding import Part, encode
from agent.pki.signing_request import load_request
from support.cas.certificates import DAY, NOW, Party, issue, key_pem, named, p256_key, pem, root
from support.fakes.uploads import (
    BUNDLE,
    CA,
    ECDSA_WITH_SHA256,
    LEAF,
    NEW_KEY_CURE,
    ROOT,
    WHOLE,
    bundle_of,
    findings,
    integer,
    key_der,
    look,
    p12,
    refusal,
    rewritten,
    serial_of,
    tlv,
)

KNOWN = [ROOT.certificate]
ODD_CURE = "Ask the certificate authority for a correct one."


def with_names(*names: str, cn: str | None = "www.example.com", **options) -> Party:
    values = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return issue(cn, issuer=CA, extensions=(values,), **options)


def warnings_of(party: Party) -> list[str]:
    found = look(bundle_of(party, CA), anchors=KNOWN).remarks
    return [finding.sentence for finding in found if finding.level == "warning"]


# Serial numbers


@pytest.mark.parametrize("serial", [-1, -128, -(2**150)])
def test_a_negative_serial_number_is_refused(serial: int):
    odd = rewritten(LEAF, CA, serial_of(LEAF), integer(serial))
    for given in (bundle_of(odd, CA, ROOT), p12(odd, CA, ROOT)):
        assert refusal(given) == (
            'The certificate of "www.example.com" is not well-formed: '
            f"its serial number is negative (RFC 5280 section 4.1.2.2).\n{ODD_CURE}"
        )


def test_the_serial_number_zero_is_a_root_s_only():
    odd = rewritten(LEAF, CA, serial_of(LEAF), integer(0))
    for given in (bundle_of(odd, CA, ROOT), p12(odd, CA, ROOT)):
        assert refusal(given) == (
            'The certificate of "www.example.com" is not well-formed: '
            f"its serial number is 0 (RFC 5280 section 4.1.2.2).\n{ODD_CURE}"
        )


def test_a_root_with_the_serial_number_zero_is_accepted_and_kept():
    """The roots of Go Daddy and of Starfield are such, and every client trusts them."""
    plain = root("Old Root")
    old = rewritten(plain, plain, serial_of(plain), integer(0))
    leaf = old.leaf("www.example.com")
    bundle = pkcs7.serialize_certificates([leaf.certificate, old.certificate], Encoding.DER)
    for chain in (
        look(bundle_of(leaf), anchors=[old.certificate]).chain,
        look(bundle_of(leaf, old)).chain,
        look(key_pem(leaf.key), bundle).chain,
        look(p12(leaf, old)).chain,
    ):
        assert chain.anchor == old.certificate
        kept = Chain.from_pem(encode(chain, [Part.FULLCHAIN, Part.ROOT]), encode(chain, [Part.KEY]))
        assert kept.anchor == old.certificate


# Structure


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", "there is no version 6 of it"),
        (
            b"\x82\x0fwww.example.com",
            b"\xa3\x0fwww.example.com",
            "it holds a name of the kind x400Address or ediPartyName, which nothing here reads",
        ),
        (b"\x17\x0d26", b"\x17\x0dxx", "its field tbs_cert.validity.not_before has a value that is not allowed"),
        (b"\x17\x0d26", b"\x18\x0d26", "its field tbs_cert.validity.not_before has a value that is not allowed"),
    ],
    ids=["version", "address", "no time", "other time"],
)
def test_a_certificate_that_is_not_one_is_refused_with_what_is_wrong_with_it(old: bytes, new: bytes, reason: str):
    before = LEAF.certificate.tbs_certificate_bytes
    assert old in before
    odd = tlv(0x30, before.replace(old, new), ECDSA_WITH_SHA256, tlv(0x03, b"\0signature"))
    cure = "Get it again from where it comes from; binary files must be copied unchanged."
    assert refusal(("odd", odd)) == f"odd: This is a certificate, but it can't be read: {reason}.\n{cure}"
    bundle = pkcs7.serialize_certificates([LEAF.certificate], Encoding.DER)
    in_bundle = bundle.replace(before, before.replace(old, new))
    assert in_bundle != bundle
    assert refusal(("odd", in_bundle)).endswith(
        "Get it again from where it comes from; binary files must be copied unchanged."
    )
    with pytest.raises(CertificateUnreadable):
        load_der_certificate(odd)


def test_a_request_of_an_unknown_version_is_refused():
    request = x509.CertificateSigningRequestBuilder().subject_name(named("x")).sign(LEAF.key, SHA256())
    odd = request.public_bytes(Encoding.DER).replace(b"\x02\x01\x00", b"\x02\x01\x05", 1)
    label = b"CERTIFICATE REQUEST-----\n"
    assert request_refusal(b"-----BEGIN " + label + base64.encodebytes(odd) + b"-----END " + label) == (
        "The certificate signing request can't be signed: there is no version 6 of it."
    )


def request_refusal(pem: bytes) -> str:
    with pytest.raises(RequestInvalid) as caught:
        load_request(pem)
    return caught.value.problem.cause


def test_a_request_that_is_none_is_refused_with_what_is_wrong_with_it():
    text = "The certificate signing request can't be signed: it has no whole block of its kind in PEM form."
    assert request_refusal(b"nonsense") == request_refusal(WHOLE) == text
    label = b"CERTIFICATE REQUEST-----\n"
    assert request_refusal(b"-----BEGIN " + label + b"MAA=\n-----END " + label) == (
        "The certificate signing request can't be signed: its field csr_info is cut short."
    )


EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")  # RFC 5480 section 2.1.1
NOBODY_S = bytes.fromhex("06072a8648ce3d027f")


UNKNOWN_KIND = f'Keys of the type "{{}}" are not supported.\n{NEW_KEY_CURE}'


def test_a_key_of_a_kind_that_nobody_knows_is_refused():
    assert refusal(BUNDLE, key_der(LEAF.key).replace(EC_PUBLIC_KEY, NOBODY_S)) == UNKNOWN_KIND.format(
        "1.2.840.10045.2.127"
    )


def test_a_pkcs12_file_with_a_curve_that_nobody_knows_is_refused(tmp_path: Path):
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:SM2 -nodes -subj /CN=x -keyout key -out crt"
    pack = "openssl pkcs12 -export -inkey key -in crt -passout pass: -out p12"
    for command in (make, pack):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    assert refusal((tmp_path / "p12").read_bytes()) == UNKNOWN_KIND.format("1.2.156.10197.1.301")


def test_a_root_with_a_key_of_a_kind_that_nobody_knows_does_no_harm():
    stranger = root("Odd Root")
    odd = rewritten(stranger, stranger, EC_PUBLIC_KEY, NOBODY_S)
    assert findings(WHOLE, pem(odd.certificate))[-1] == "note: 1 certificate that the chain does not need left out"


# Names


def test_a_name_with_a_nul_is_refused():
    for odd in (with_names("www.example.com\0.evil.test"), issue("www.example.com\0.evil.test", issuer=CA)):
        message = refusal(bundle_of(odd, CA, ROOT))
        assert 'is not well-formed: the name "www.example.com\\x00.evil.test" holds a control character.' in message
        assert "\0" not in message


def test_too_many_names_are_refused():
    many = with_names(*(f"n{number}.example.com" for number in range(1001)))
    assert refusal(bundle_of(many, CA, ROOT)) == (
        'The certificate of "www.example.com" is not well-formed: '
        f"it has more than 1000 names, and services and clients give up on it.\n{ODD_CURE}"
    )
    fewer = with_names(*(f"n{number}.example.com" for number in range(1000)))
    assert len(look(bundle_of(fewer, CA, ROOT)).names) == 1000


def test_a_name_in_unicode_is_refused_and_its_ascii_form_accepted():
    odd = rewritten(with_names("bxxcher.example", cn=None), CA, b"bxxcher", "bücher".encode())
    assert refusal(bundle_of(odd, CA, ROOT)) == (
        'The certificate of "bücher.example" is not well-formed: '
        f'the name "bücher.example" is not in its ASCII form (xn--..., RFC 5280 section 7.2).\n{ODD_CURE}'
    )
    right = with_names("xn--bcher-kva.example", cn="bücher.example")
    assert look(bundle_of(right, CA, ROOT)).names == ("xn--bcher-kva.example",)
    assert warnings_of(right) == []


def test_addresses_are_names():
    leaf = CA.leaf("192.0.2.1", "2001:db8::1")
    assert look(bundle_of(leaf, CA, ROOT)).names == ("192.0.2.1", "2001:db8::1")
    assert warnings_of(leaf) == []


def test_an_address_among_the_dns_names_is_said():
    odd = with_names("192.0.2.1", "www.example.com")
    assert warnings_of(odd) == ['addresses among the DNS names, where no modern client looks: "192.0.2.1"']


def test_overlapping_wildcards_are_accepted():
    names = ("*.example.com", "www.example.com", "*.www.example.com", "*.example.com", "WWW.EXAMPLE.COM")
    leaf = with_names(*names)
    assert look(bundle_of(leaf, CA, ROOT)).names == ("*.example.com", "www.example.com", "*.www.example.com")
    assert warnings_of(leaf) == []


def test_names_that_no_client_accepts_are_said():
    odd = with_names("www.example.com", "w*.example.com", "*.*.example.com", "*", "a b", "*.com")
    assert look(bundle_of(odd, CA, ROOT)).names == ("www.example.com",)
    assert warnings_of(odd) == ['names that no client accepts: "w*.example.com", "*.*.example.com", "*" and 2 more']


def test_a_certificate_without_any_usable_name_is_refused():
    mail = x509.SubjectAlternativeName([x509.RFC822Name("a@example.com")])
    for nameless in (issue("My Server", issuer=CA), issue("My Server", issuer=CA, extensions=(mail,))):
        assert refusal(bundle_of(nameless, CA, ROOT)) == (
            'The certificate of "My Server" is for no host name and no address.\n'
            "Request one with the names of the service as subject alternative names."
        )


def test_a_certificate_without_a_subject_is_accepted():
    leaf = issue(None, issuer=CA, names=("www.example.com",))
    assert look(bundle_of(leaf, CA, ROOT)).names == ("www.example.com",)


# Name constraints


def constrained(permitted=None, excluded=None) -> Party:
    return ROOT.authority("Branch CA", extensions=(x509.NameConstraints(permitted, excluded),))


DNS = [x509.DNSName("example.com")]
NETWORK = [x509.IPAddress(ip_network("192.0.2.0/24"))]


@pytest.mark.parametrize(
    ("authority", "names"),
    [
        (constrained(DNS), ("example.com", "www.example.com", "*.example.com", "192.0.2.1")),
        (constrained([*DNS, *NETWORK]), ("www.example.com", "192.0.2.1")),
        (constrained(None, DNS), ("www.example.org", "notexample.com")),
        (constrained([x509.DNSName("")]), ("www.example.org",)),
    ],
)
def test_names_that_an_authority_may_issue_for_are_accepted(authority: Party, names: tuple[str, ...]):
    assert look(bundle_of(authority.leaf(*names), authority, ROOT)).names == names


@pytest.mark.parametrize(
    ("authority", "name", "limits"),
    [
        (constrained(DNS), "notexample.com", 'permitted: "example.com"'),
        (constrained(None, DNS), "*.example.com", 'not for: "example.com"'),
        (constrained(NETWORK), "198.51.100.1", 'permitted: "192.0.2.0/24"'),
        (constrained(None, NETWORK), "192.0.2.7", 'not for: "192.0.2.0/24"'),
        (constrained(NETWORK), "2001:db8::1", 'permitted: "192.0.2.0/24"'),
    ],
)
def test_names_outside_an_authority_s_constraints_are_refused(authority: Party, name: str, limits: str):
    assert refusal(bundle_of(authority.leaf(name), authority, ROOT)) == (
        f'The authority "Branch CA" may not issue certificates for "{name}" (name constraints); clients refuse it.\n'
        f"Ask for a certificate with names that the authority may issue for ({limits}), or one of another authority."
    )


# Keys, issuers and times


def test_two_leaves_with_one_key_and_the_same_names_are_last_year_s_and_this_year_s():
    renewed = issue("www.example.com", issuer=CA, names=("*.example.com", "www.example.com"), key=LEAF.key, days=200)
    found = look(WHOLE, pem(renewed.certificate))
    assert found.chain.leaf == renewed.certificate
    assert found.remarks[-1].sentence == "1 older certificate left out"


def test_the_self_signed_placeholder_of_a_key_gives_way_to_what_an_authority_signed():
    names = ("www.example.com", "*.example.com")
    placeholder = issue("www.example.com", issuer=None, names=names, key=LEAF.key, days=3650)
    assert look(WHOLE, pem(placeholder.certificate)).chain.leaf == LEAF.certificate


def test_an_ed25519_chain_is_accepted():
    leaf = CA.leaf("www.example.com", key=ed25519.Ed25519PrivateKey.generate())
    assert look(bundle_of(leaf, CA, ROOT)).chain.key_type == "ed25519"


def test_issuers_that_signed_each_other_are_a_dead_end():
    first, second = p256_key(), p256_key()
    one = issue("One", issuer=Party(second, _named("Two", second)), ca=True, key=first)
    two = issue("Two", issuer=one, ca=True, key=second)
    leaf = one.leaf("www.example.com")
    assert refusal(bundle_of(leaf, one, two)).startswith('The chain is incomplete: "Two" was issued by "One", which')


def _named(cn: str, key) -> x509.Certificate:
    return issue(cn, issuer=None, ca=True, key=key).certificate


def test_a_hundred_namesakes_are_no_maze():
    key = p256_key()
    maze = [
        issue("Maze CA", issuer=Party(key, _named("Maze CA", key)), ca=True, key=key, days=at) for at in range(1, 97)
    ]
    leaf = maze[0].leaf("www.example.com", days=1)
    assert look(bundle_of(leaf, *maze)).chain.anchor in {each.certificate for each in maze}


def test_a_path_that_is_too_long_for_its_root_is_refused():
    short = root("Short Root", pathlen=0)
    branch = short.authority("Branch CA")
    assert refusal(bundle_of(branch.leaf("www.example.com"), branch, short)) == (
        'The certificate of "Short Root" may not sign what follows from it: '
        "it allows no authorities below itself (path length), and there is 1.\n"
        "Ask the certificate authority for the right intermediate certificates."
    )


def test_an_instant_belongs_to_a_validity_as_the_agent_counts_it():
    begin, end = LEAF.certificate.not_valid_before_utc, LEAF.certificate.not_valid_after_utc
    assert look(WHOLE, now=begin).chain
    assert "expires within a day" in findings(WHOLE, now=end - DAY / 2)[3]
    assert "expires in 10 days" in findings(WHOLE, now=end - 9.6 * DAY)[3], "as every other command counts"
    assert "expired at" in refusal(WHOLE, now=end)
    assert "not valid before" in refusal(WHOLE, now=begin - DAY)


# Encodings


def test_each_structure_is_told_by_its_first_fields():
    assert kind_of(b"") is kind_of(b"\x30\x84\xff\xff\xff\xff") is kind_of(b"\x1f\x81\x01\x00") is None
    assert kind_of(b"\x30\x80" * 40) is None
    indefinite = b"\x30\x80\x02\x01\x03\x30\x80\x06\x01\x2a\x00\x00\x00\x00"
    assert kind_of(indefinite) is EncodingKind.PKCS12
    assert kind_of(tlv(0x30, tlv(0x06, b"\x2a"), tlv(0xA0))) is None


def test_a_name_that_could_upset_a_terminal_is_escaped():
    odd = issue("www\x1b[2J", issuer=CA, names=("www.example.com",))
    assert "\x1b" not in refusal(bundle_of(odd, CA, ROOT))


# Signatures


def signed_with_sha1(party: Party, issuer: Party) -> Party:
    """Return the same certificate with a signature that cryptography doesn't make."""
    algorithm = bytes.fromhex("300906072a8648ce3d0401")  # ecdsa-with-SHA1, RFC 3279 section 2.2.3
    content = party.certificate.tbs_certificate_bytes[4:].replace(ECDSA_WITH_SHA256, algorithm)
    signature = issuer.key.sign(tlv(0x30, content), ec.ECDSA(SHA1()))
    return Party(
        party.key, load_der_certificate(tlv(0x30, tlv(0x30, content), algorithm, tlv(0x03, b"\0" + signature)))
    )


def test_a_root_may_be_signed_with_an_old_digest_as_nobody_relies_on_it():
    old = signed_with_sha1(ROOT, ROOT)
    found = look(bundle_of(LEAF, CA, old))
    assert found.chain.anchor == old.certificate
    assert found.warnings == ()


def test_a_self_issued_intermediate_is_not_to_be_signed_with_an_old_digest():
    new = signed_with_sha1(issue("Toy Root", issuer=ROOT, ca=True), ROOT)
    assert refusal(bundle_of(new.leaf("www.example.com"), new, ROOT)) == (
        'The certificate of "Toy Root" is signed with SHA1, which services and clients refuse.\n'
        "Ask the certificate authority for one that is signed with SHA-256 or better."
    )


def test_a_signature_with_malformed_parameters_is_refused():
    """RSASSA-PSS has parameters (RFC 4055 section 3.1); cryptography raises ValueError for its digest without any."""
    algorithm = bytes.fromhex("300b06092a864886f70d01010a")
    odd = ROOT.authority("Odd CA")
    content = odd.certificate.tbs_certificate_bytes[4:].replace(ECDSA_WITH_SHA256, algorithm)
    der = tlv(0x30, tlv(0x30, content), algorithm, tlv(0x03, bytes(257)))
    odd = Party(odd.key, load_der_certificate(der))
    assert refusal(bundle_of(odd.leaf("www.example.com"), odd, ROOT)) == (
        'The certificate of "Odd CA" is signed with RSA-PSS with malformed parameters, which services and clients refuse.\n'
        "Ask the certificate authority for one that is signed with SHA-256 or better."
    )


def test_a_key_of_an_issuer_that_is_none_is_the_reason_said():
    off = CA.certificate.public_key().public_numbers().y.to_bytes(32, "big")
    odd = rewritten(CA, ROOT, off, bytes(32))
    assert refusal(bundle_of(LEAF, odd, ROOT)).startswith(
        "A certificate can't be read: the public key of Toy CA is not a possible one.\n"
    )


@pytest.mark.parametrize("party", ["leaf", "intermediate", "root"])
def test_a_certificate_that_names_another_algorithm_than_its_signature_is_refused(party: str):
    p384 = bytes.fromhex("300a06082a8648ce3d040303")
    leaf, ca, top = ((LEAF, CA), (CA, ROOT), (ROOT, ROOT))
    odd = {name: rewritten(*pair, ECDSA_WITH_SHA256, p384) for name, pair in
           {"leaf": leaf, "intermediate": ca, "root": top}.items()}[party]  # fmt: skip
    parties = {"leaf": LEAF, "intermediate": CA, "root": ROOT, party: odd}
    assert "it is signed with another algorithm than it says" in refusal(bundle_of(*parties.values()))


def test_a_subject_that_can_not_be_read_is_said():
    party = issue("www.example.com", issuer=CA)
    odd = rewritten(party, CA, tlv(0x0C, b"www.example.com"), tlv(0x01, b"www.example.com"))
    assert refusal(bundle_of(odd, CA, ROOT)) == (
        "a, block 2: This is a certificate, but it can't be read: its field subject is not what belongs there.\n"
        "Get it again from where it comes from; binary files must be copied unchanged."
    )


# What OpenSSL reads more strictly


def test_a_certificate_that_openssl_can_not_read_is_said():
    odd = rewritten(LEAF, CA, tlv(0x0C, b"www.example.com"), tlv(0x18, b"20261101120000Z"))
    assert 'OpenSSL refuses it: "mstring wrong tag"' in warnings_of(odd)


def test_a_root_that_is_not_its_own_issuer_by_its_key_identifier_is_said():
    """OpenSSL looks for another issuer of it, but where it is told to be content with less, as by Python 3.13 and curl."""
    aki = x509.AuthorityKeyIdentifier(b"another", None, None)
    ski = x509.SubjectKeyIdentifier.from_public_key(ROOT.key.public_key())
    top = issue("Toy Root", issuer=None, ca=True, key=ROOT.key, identifiers=False, extensions=(aki, ski), days=3650)
    sentence = 'the root "Toy Root" has the authority key identifier of another certificate: OpenSSL refuses it'
    assert sentence in [each.sentence for each in look(bundle_of(LEAF, CA, top)).remarks]


@pytest.mark.parametrize("octets", [b"", b"\1\2\3", b"\1\2\3\4\xff\xff\xff\0"])
def test_an_address_of_wrong_length_is_said(octets: bytes):
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), tlv(0x30, tlv(0x87, octets)))
    assert refusal(bundle_of(issue("www.example.com", issuer=CA, extensions=(odd,)), CA, ROOT)) == (
        'The certificate of "www.example.com" is not well-formed: its extension subjectAltName can\'t be read: '
        f"an address in it has another length than one of IPv4 or IPv6 with its mask.\n{ODD_CURE}"
    )


@pytest.mark.parametrize("name", ["Toy\u00a0CA", "T\u00f6y CA"], ids=["blank", "letter"])
def test_issuers_whose_names_only_unicode_takes_for_equal_are_others(name: str):
    """OpenSSL, GnuTLS, NSS and cryptography find no issuer; they compare ASCII's letters and blanks only."""
    authority = ROOT.authority("TÖY CA" if name.startswith("Tö") else "Toy CA")
    leaf = issue("www.example.com", issuer=authority, names=("www.example.com",), issuer_name=named(name))
    assert refusal(bundle_of(leaf, authority, ROOT)).startswith(
        f'The chain is incomplete: "www.example.com" was issued by "{name}"'.replace("\u00a0", "?")
    )


# Several ways up


OTHER_ROOT = root("Other Root")
CLIENTS_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
ELSEWHERE = x509.NameConstraints([x509.DNSName("example.org")], None)
NOBODY_KNOWS = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
WORSE = {
    "purpose": {"extensions": (CLIENTS_ONLY,)},
    "name constraints": {"critical": (ELSEWHERE,)},
    "critical extension": {"critical": (NOBODY_KNOWS,)},
    "key usage": {"cert_sign": False},
    "expired": {"now": NOW - 900 * DAY},
}


@pytest.mark.parametrize("options", WORSE.values(), ids=WORSE)
def test_of_two_certificates_of_an_issuer_the_one_that_clients_take_is_used(options: dict):
    worse = issue("Toy CA", issuer=OTHER_ROOT, ca=True, key=CA.key, **{"days": 800, **options})
    for others in ((worse, CA, ROOT, OTHER_ROOT), (OTHER_ROOT, ROOT, CA, worse)):
        found = look(bundle_of(LEAF, *others))
        assert found.chain.intermediates == (CA.certificate,)
        assert found.chain.anchor == ROOT.certificate


def test_of_two_certificates_of_an_issuer_the_one_below_a_known_root_is_used():
    longer = issue("Toy CA", issuer=OTHER_ROOT, ca=True, key=CA.key, days=800)
    for known in (ROOT, OTHER_ROOT):
        found = look(bundle_of(LEAF, CA, longer, ROOT, OTHER_ROOT), anchors=[known.certificate])
        assert found.chain.anchor == known.certificate
