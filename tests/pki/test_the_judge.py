"""The judge: one line for each thing that clients object to, in each certificate of a path."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from subprocess import run

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA3_256, SHA224, SHA256, SHA512, HashAlgorithm
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.errors import AgentError
from agent.errors.chain import KeyNotServable
from agent.inspection import InputFile, diagnose
from agent.pki.authority import Root
from agent.pki.certificate import title_of
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.judge import EDITION, judge
from agent.pki.judgement import Judgement
from support.cas.certificates import DAY, NOW, Party, dsa_key, issue, named, root, rsa_key
from support.fakes.uploads import CA, ROOT, bundle_of, look, refusal, rewritten, tlv

NAME = "www.example.com"
SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.2"), b"\x05\x00")
UNKNOWN_SAID = "has the critical extension 1.3.6.1.4.1.55555.1.2, which no client knows, so every client refuses it"


@dataclass(frozen=True)
class Path:
    """A leaf, those that are served with it, and the root."""

    leaf: Party
    intermediates: tuple[Party, ...]
    root: Party

    def judged(self, *, purpose: Purpose = Purpose.SERVER, now=NOW, **options) -> Judgement:
        chain = Chain(
            key=self.leaf.key,
            leaf=self.leaf.certificate,
            intermediates=tuple(each.certificate for each in self.intermediates),
        )
        return judge(chain, purpose=purpose, now=now, anchors=[self.root.certificate], **options)


def through(authority: Party, *names: str, top: Party = ROOT, **options) -> Path:
    """Return the path of a leaf below an authority that `top` signed."""
    return Path(authority.leaf(*(names or (NAME,)), **options), (authority,), top)


def of_leaf(*names: str, **options) -> Path:
    return through(CA, *names, **options)


def below(authority: Callable[[Party], Party], top: Party = ROOT) -> Path:
    return through(authority(top), top=top)


def below_root(**options) -> Path:
    top = issue("Toy Root", issuer=None, **{"ca": True, "days": 3650, **options})
    return through(top.authority("Toy CA"), top=top)


def permitted(*trees: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(list(trees), None)


def excluded(*trees: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(None, list(trees))


def constrained(constraints: x509.NameConstraints, *names: str, **options) -> Path:
    return through(ROOT.authority("Bound CA", extensions=(constraints,)), *names, **options)


def subjects(*values: x509.GeneralName) -> dict:
    """Return options of a leaf with other alternative names beside its host's."""
    return {"names": (), "extensions": (x509.SubjectAlternativeName([x509.DNSName(NAME), *values]),)}


DNS, EMAIL, URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier
MINE = x509.DirectoryName(named(None, "Mine"))
TEN = x509.IPAddress(ip_network("10.0.0.0/8"))


def may_not(name: str, authority: str = "Bound CA") -> str:
    return f'The authority "{authority}" may not issue certificates for "{name}" (name constraints); clients refuse it'


def not_for(title: str, usage: str = "anyExtendedKeyUsage") -> str:
    why = ", and clients want serverAuth itself" if usage == "anyExtendedKeyUsage" else ""
    return f'The certificate of "{title}" is not for servers; its extended key usage is {usage}{why}'


REFUSED = {
    "critical extension, leaf": (of_leaf(critical=(UNKNOWN,)), f'The certificate of "{NAME}" {UNKNOWN_SAID}'),
    "critical extension, intermediate": (
        below(lambda top: top.authority("Odd CA", critical=(UNKNOWN,))),
        f'The certificate of "Odd CA" {UNKNOWN_SAID}',
    ),
    "critical extension, root": (below_root(critical=(UNKNOWN,)), f'The certificate of "Toy Root" {UNKNOWN_SAID}'),
    "precertificate": (
        of_leaf(critical=(x509.PrecertPoison(),)),
        (
            f'The certificate of "{NAME}" is a precertificate, made for the logs of Certificate Transparency only, '
            "and every client refuses it"
        ),
    ),
    "any purpose, leaf": (of_leaf(extensions=(ANY,)), not_for(NAME)),
    "any purpose, intermediate": (below(lambda top: top.authority("Any CA", extensions=(ANY,))), not_for("Any CA")),
    "root for other purposes": (
        below_root(extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]),)),
        not_for("Toy Root", "codeSigning"),
    ),
    "root that is no authority": (
        below_root(ca=False),
        'The certificate of "Toy Root" may not sign what follows from it: it is not a certificate authority (basicConstraints)',
    ),
    "root with a path length": (
        below_root(pathlen=0),
        (
            'The certificate of "Toy Root" may not sign what follows from it: '
            "it allows no authorities below itself (path length), and there is 1"
        ),
    ),
    "expired intermediate": (
        through(ROOT.authority("Short CA", now=NOW - 30 * DAY, days=29)),
        'The certificate of "Short CA" expired at 2026-10-31T12:00:00Z',
    ),
    "intermediate of the future": (
        through(ROOT.authority("New CA", now=NOW + 3 * DAY)),
        'The certificate of "New CA" is not valid before 2026-11-03T12:00:00Z; it is 2026-11-01T12:00:00Z here',
    ),
    "expired root": (
        below_root(now=NOW - 60 * DAY, days=30),
        'The certificate of "Toy Root" expired at 2026-10-02T12:00:00Z',
    ),
    "root with a short key": (
        below_root(key=rsa_key(1024)),
        'The RSA key of "Toy Root" has 1024 bits, and services and clients refuse less than 2048',
    ),
    "no name": (of_leaf(cn="no name", names=()), 'The certificate of "no name" is for no host name and no address'),
    "permitted with a dot, and the apex": (
        constrained(permitted(DNS(".example.com")), "example.com"),
        may_not("example.com"),
    ),
    "another domain": (constrained(permitted(DNS("example.org"))), may_not(NAME)),
    "a wildcard above what is permitted": (
        constrained(permitted(DNS("a.example.com")), "*.example.com"),
        may_not("*.example.com"),
    ),
    "a wildcard under an excluded name": (
        constrained(excluded(DNS("a.example.com")), "*.a.example.com"),
        may_not("*.a.example.com"),
    ),
    "excluded, in other letters": (constrained(excluded(DNS("EXAMPLE.com"))), may_not(NAME)),
    "an address that is not permitted": (constrained(permitted(TEN), "192.0.2.1"), may_not("192.0.2.1")),
    "an excluded address": (constrained(excluded(TEN), "10.1.2.3"), may_not("10.1.2.3")),
    "a subject that is not permitted": (constrained(permitted(MINE)), may_not(f"CN={NAME}")),
    "an excluded subject": (constrained(excluded(MINE), organization="MINE"), may_not(f"CN={NAME},O=MINE")),
    "an e-mail address": (
        constrained(permitted(EMAIL("example.com")), **subjects(EMAIL("root@example.org"))),
        may_not("root@example.org"),
    ),
    "an excluded mailbox": (
        constrained(excluded(EMAIL("root@example.com")), **subjects(EMAIL("root@EXAMPLE.com"))),
        may_not("root@EXAMPLE.com"),
    ),
    "an URI": (
        constrained(permitted(URI("example.com")), **subjects(URI("https://www.example.com/"))),
        may_not("https://www.example.com/"),
    ),
    "an excluded domain of URIs": (
        constrained(excluded(URI(".example.com")), **subjects(URI("https://www.example.com:8443/a"))),
        may_not("https://www.example.com:8443/a"),
    ),
    "a kind that nobody compares": (
        constrained(
            permitted(x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))),
            **subjects(x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))),
        ),
        may_not("1.2.3.4"),
    ),
}


def with_root_constraints(constraints: x509.NameConstraints, cn: str, *, self_issued: bool = False) -> Path:
    """Return a path with constraints in the root and a subject in the intermediate that they may be about."""
    top = root(cn if self_issued else "Toy Root", extensions=(constraints,))
    return through(top.authority(cn), top=top)


REFUSED["the subject of an intermediate"] = (
    with_root_constraints(excluded(x509.DirectoryName(named("Toy CA"))), "Toy CA"),
    may_not("CN=Toy CA", "Toy Root"),
)


def of_raw_names(*names: bytes) -> Path:
    """Return a path whose leaf has DNS names of any bytes."""
    names = tuple(tlv(0x82, name) for name in names)
    return of_leaf(
        names=(), extensions=(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), tlv(0x30, *names)),)
    )


def deep(number: int) -> Path:
    """Return a path through so many authorities."""
    between = [ROOT]
    for at in range(number):
        between.append(between[-1].authority(f"CA {at}"))
    return Path(between[-1].leaf(NAME), tuple(between[:0:-1]), ROOT)


def swollen(octets: int) -> Path:
    ballast = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(octets))
    return through(ROOT.authority("Big CA", extensions=(ballast,)))


REFUSED["more than clients read"] = (
    swollen(131_000),
    f'The chain of "{NAME}" is longer than the 131071 bytes that clients read',
)
REFUSED["an address in the common name only"] = (
    of_leaf(cn="192.0.2.1", names=()),
    'The certificate of "192.0.2.1" is for no host name and no address',
)
REFUSED["a dot behind the common name"] = (
    of_leaf(cn=f"{NAME}.", names=()),
    f'The certificate of "{NAME}." is for no host name and no address',
)
REFUSED["an address among the DNS names only"] = (
    of_raw_names(b"192.0.2.1"),
    f'The certificate of "{NAME}" is for no host name and no address',
)


@pytest.mark.parametrize(("path", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_every_client_refuses_is_refused(path: Path, sentence: str):
    judgement = path.judged()
    assert [each.sentence for each in judgement.refused] == [sentence]
    assert not judgement.good
    with pytest.raises(AgentError) as caught:
        judgement.require_good()
    assert str(caught.value).startswith(sentence)


GOOD = {
    "the usual": of_leaf(extensions=(SERVER_AUTH,)),
    "below a permitted name": constrained(permitted(DNS("example.com")), "example.com", NAME, "*.example.com"),
    "not excluded": constrained(excluded(DNS("example.org"), TEN), NAME, "192.0.2.1"),
    "constraints of other kinds": constrained(permitted(EMAIL("example.org"), URI("example.org"))),
    "a permitted mailbox": constrained(permitted(EMAIL(".example.com")), **subjects(EMAIL("a@b.example.com"))),
    "any purpose beside the right one": of_leaf(
        extensions=(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.SERVER_AUTH]),
        )
    ),
    "no common name": of_leaf(cn=None, san_critical=True),
}


@pytest.mark.parametrize("path", GOOD.values(), ids=GOOD)
def test_what_clients_take_is_good_and_nothing_is_said(path: Path):
    assert path.judged() == Judgement()


def only_python(words: str) -> str:
    return f'Python\'s cryptography refuses it: "{words}"'


BROWSERS = "Chromium, Firefox and Python's cryptography refuse it"


MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


def stapled() -> Path:
    return of_leaf(extensions=(MUST_STAPLE,))


def signed_with_pss(salt: int, digest: HashAlgorithm) -> Path:
    """Return a path whose leaf is signed with RSA-PSS."""
    authority = ROOT.authority("RSA CA", key=rsa_key())
    return through(authority, rsa_padding=padding.PSS(padding.MGF1(digest), salt))


def of_version_1() -> Path:
    """Return a path whose leaf says that it is of version 1, and has extensions."""
    return Path(rewritten(CA.leaf(NAME), CA, bytes.fromhex("a003020102"), b""), (CA,), ROOT)


def short_key(kind: str, title: str, bits: int, least: int) -> str:
    return f'The {kind} key of "{title}" has {bits} bits, and services and clients refuse less than {least}'


def elsewhere(**parts) -> Path:
    """Return a path whose leaf's authority key identifier names something of another certificate."""
    parts = {"key_identifier": None, "authority_cert_issuer": None, "authority_cert_serial_number": None, **parts}
    aki = x509.AuthorityKeyIdentifier(**parts)
    return of_leaf(identifiers=False, extensions=(aki, x509.SubjectKeyIdentifier(b"k")))


def in_another_encoding() -> Path:
    name = x509.NameAttribute(NameOID.COMMON_NAME, "Toy CA", _ASN1Type.PrintableString)
    return through(ROOT.authority("Toy CA"), issuer_name=x509.Name([name]))


def not_compared(title: str) -> str:
    return f'"{title}" has name constraints of a kind that not every client compares: GnuTLS refuses it'


WARNED = {
    "a permitted subject in other letters": (
        constrained(permitted(MINE), organization="mine"),
        not_compared("Bound CA"),
    ),
    "self-issued, and not looked at": (
        with_root_constraints(excluded(x509.DirectoryName(named("Toy Root"))), "Toy Root", self_issued=True),
        not_compared("Toy Root"),
    ),
    "a critical extension that some know": (
        through(ROOT.authority("Policed CA", critical=(x509.PolicyConstraints(None, 0),))),
        '"Policed CA" has the critical extension 2.5.29.36: GnuTLS and Python\'s cryptography refuse it',
    ),
    "a long path": (
        deep(15),
        "17 certificates lead from the leaf to the root: GnuTLS and Python's cryptography refuse it",
    ),
    "more than OpenSSL reads": (swollen(105_000), 'OpenSSL refuses it: "excessive message size"'),
    "a name that is not in its ASCII form": (
        of_raw_names(NAME.encode(), "bücher.example".encode()),
        'names that no client accepts: "bücher.example"',
    ),
    "an empty name": (of_raw_names(NAME.encode(), b""), "there is an empty name in its SAN: GnuTLS refuses it"),
    "an address among the DNS names": (
        of_raw_names(NAME.encode(), b"192.0.2.1"),
        'addresses among the DNS names, where no modern client looks: "192.0.2.1"',
    ),
    "below a permitted name with a dot": (
        constrained(permitted(DNS(".example.com")), NAME, "*.example.com"),
        only_python("malformed DNS name constraint: .example.com"),
    ),
    "a permitted URI": (
        constrained(permitted(URI("www.example.com")), **subjects(URI("https://www.example.com/"))),
        only_python("unsupported name constraint"),
    ),
    "Ed25519, leaf": (
        of_leaf(key=ed25519.Ed25519PrivateKey.generate()),
        f'the key of "{NAME}" is an Ed25519 key: Chromium and Firefox refuse it',
    ),
    "Ed25519, intermediate": (
        through(ROOT.authority("Ed CA", key=ed25519.Ed25519PrivateKey.generate())),
        f'the key of "Ed CA" is an Ed25519 key: {BROWSERS}',
    ),
    "Ed448, root": (
        below_root(key=ed448.Ed448PrivateKey.generate()),
        f'the key of "Toy Root" is an Ed448 key: {BROWSERS}',
    ),
    "brainpool": (
        through(ROOT.authority("Pool CA", key=ec.generate_private_key(ec.BrainpoolP256R1()))),
        (
            'the key of "Pool CA" is on the curve brainpoolP256r1: '
            "Chromium, Firefox, GnuTLS and Python's cryptography refuse it"
        ),
    ),
    "P-224": (
        through(ROOT.authority("Pool CA", key=ec.generate_private_key(ec.SECP224R1()))),
        f'the key of "Pool CA" is on the curve secp224r1: {BROWSERS}',
    ),
    "DSA": (
        through(ROOT.authority("Old CA", key=dsa_key())),
        f'the key of "Old CA" is a DSA key: {BROWSERS}',
    ),
    "SHA-3": (of_leaf(digest=SHA3_256()), f'"{NAME}" is signed with SHA3-256: {BROWSERS}'),
    **{
        f"RSA-PSS, {what}": (
            path,
            (
                f'"{NAME}" is signed with RSA-PSS with other parameters than its digest\'s (RFC 4055 section 3.1): '
                "Chromium, Firefox, GnuTLS and Python's cryptography refuse it"
            ),
        )
        for what, path in {"salt": signed_with_pss(20, SHA256()), "digest": signed_with_pss(32, SHA512())}.items()
    },
    "version 1": (
        of_version_1(),
        (
            f'"{NAME}" has extensions, and says that it is of version 1, which has none: '
            "Chromium, Firefox, GnuTLS, Python 3.13 and Python's cryptography refuse it"
        ),
    ),
    "must-staple, intermediate": (
        through(ROOT.authority("Staple CA", extensions=(MUST_STAPLE,))),
        '"Staple CA" demands a stapled OCSP response (must-staple) of all that it issues: Firefox and GnuTLS refuse it',
    ),
    "SHA-224, leaf": (of_leaf(digest=SHA224()), f'"{NAME}" is signed with SHA-224: {BROWSERS}'),
    "SHA-224, intermediate": (
        through(ROOT.authority("Old CA", digest=SHA224())),
        f'"Old CA" is signed with SHA-224: {BROWSERS}',
    ),
    "must-staple": (
        stapled(),
        (
            "it demands a stapled OCSP response (must-staple), and no service here staples one: "
            "Firefox and GnuTLS refuse it"
        ),
    ),
    "a trailing dot": (
        of_leaf(names=(NAME, "shop.example.com.")),
        'names that end with a dot ("shop.example.com."): OpenSSL, GnuTLS and Firefox refuse it',
    ),
    "no SAN": (
        of_leaf(cn=NAME, names=()),
        "has no SAN: Chromium, Firefox, Apple's clients, Go and Python's cryptography refuse it",
    ),
    "empty subject": (
        of_leaf(cn=None),
        (
            "its subject is empty, and its SAN is not critical (RFC 5280 section 4.2.1.6): "
            "Chromium, Apple's clients, Java, Python 3.13 and Python's cryptography refuse it"
        ),
    ),
    "no authority key identifier": (
        of_leaf(identifiers=False),
        f'"{NAME}" has no authority key identifier: Python 3.13 and Python\'s cryptography refuse it',
    ),
    "no subject key identifier": (
        through(ROOT.authority("Bare CA", own_identifier=False)),
        'the authority "Bare CA" has no subject key identifier: Python 3.13 refuses it',
    ),
    "a long life": (of_leaf(days=825), "valid for more than 825 days: Apple's clients refuse it"),
    "another issuer's serial number": (
        elsewhere(authority_cert_issuer=[x509.DirectoryName(named("Toy Root"))], authority_cert_serial_number=1),
        f'the authority key identifier of "{NAME}" is of another certificate than that of "Toy CA": OpenSSL refuses it',
    ),
    "another issuer's key": (
        elsewhere(key_identifier=b"another"),
        (
            f'the authority key identifier of "{NAME}" is of another certificate than that of "Toy CA": '
            "OpenSSL and GnuTLS refuse it"
        ),
    ),
    "other letters": (
        through(ROOT.authority("Toy CA"), issuer_name=named("TOY  CA")),
        (
            f'"{NAME}" writes the name of its issuer in another encoding than "Toy CA" does: '
            "GnuTLS, Go and Python's cryptography refuse it"
        ),
    ),
    "another encoding": (
        in_another_encoding(),
        (
            f'"{NAME}" writes the name of its issuer in another encoding than "Toy CA" does: '
            "Go and Python's cryptography refuse it"
        ),
    ),
    "half excluded": (
        constrained(excluded(DNS("a.example.com")), "*.example.com"),
        (
            '"Bound CA" may not issue for some of the names of "*.example.com": '
            "Chromium, Go and Python's cryptography refuse it"
        ),
    ),
    "a root for any purpose": (
        below_root(extensions=(ANY,)),
        'the extended key usage of the root "Toy Root" is only any: OpenSSL refuses it',
    ),
}


@pytest.mark.parametrize(("path", "sentence"), WARNED.values(), ids=WARNED)
def test_what_some_clients_refuse_is_a_warning_that_says_who(path: Path, sentence: str):
    judgement = path.judged()
    assert judgement.refused == ()
    assert [each.sentence for each in judgement.warnings] == [sentence]
    assert all(each.certificate and each.code.startswith("chain.") for each in judgement.warnings)


@pytest.mark.parametrize(("path", "sentence"), REFUSED.values(), ids=REFUSED)
def test_an_upload_is_refused_with_the_same_words(path: Path, sentence: str):
    given = bundle_of(path.leaf, *path.intermediates)
    assert refusal(given, anchors=[path.root.certificate]).startswith(sentence)


@pytest.mark.parametrize(("path", "sentence"), WARNED.values(), ids=WARNED)
def test_an_upload_is_taken_with_the_same_warning(path: Path, sentence: str):
    found = look(bundle_of(path.leaf, *path.intermediates), anchors=[path.root.certificate])
    assert sentence in [each.sentence for each in found.remarks if each.level == "warning"]
    assert [each.sentence for each in found.warnings] == [sentence]


@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048])
@pytest.mark.parametrize("purpose", Purpose)
def test_what_the_own_root_signs_is_good_for_every_client(key_type: KeyType, purpose: Purpose):
    own = Root.create("gw Root CA", "", NOW, NOW - DAY, key_type=key_type)
    for names in ([NAME, "*.example.com"], ["192.0.2.1", "gw"], ["a" * 63 + ".example.com"]):
        chain = own.issue(names, key_type, purpose, NOW)
        assert judge(chain, purpose=purpose, now=NOW, anchors=[own.certificate]) == Judgement()


def test_a_key_that_services_can_not_load_is_refused(tmp_path):
    """An RSA-PSS key, which OpenSSL makes and nginx does not take (RFC 4055 section 1.2)."""
    files = [tmp_path / "key.pem", tmp_path / "leaf.pem"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa-pss", "-nodes", "-days", "9", "-subj", f"/CN={NAME}"]
    run([*make, "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", *files[:1], "-out", *files[1:]], check=True)
    with pytest.raises(KeyNotServable):
        diagnose([InputFile(each.name, each.read_bytes()) for each in files], now=datetime.now(UTC))


def test_a_path_to_no_known_root_is_incomplete_and_good():
    """Staging CAs and those of a network are such: what they deliver serves."""
    for leaf, intermediates, top in ((of_leaf().leaf, (CA,), CA), (CA.leaf(NAME), (), None)):
        chain = Chain(
            key=leaf.key, leaf=leaf.certificate, intermediates=tuple(each.certificate for each in intermediates)
        )
        judgement = judge(chain, purpose=Purpose.SERVER, now=NOW)
        title = top.certificate if top else leaf.certificate
        assert judgement.good
        assert not judgement.complete
        assert [each.sentence for each in judgement.warnings] == [
            f'the issuer of "{title_of(title)}" is not known here, so the chain may be incomplete'
        ]


def test_what_a_client_does_not_need_is_not_looked_at():
    """A known root below an expired one that signed it across: as with ISRG Root X1 and DST Root CA X3."""
    old = root("Old Root", now=NOW - 60 * DAY, days=30)
    new = root("New Root")
    crossed = old.authority("New Root", key=new.key, now=NOW - 60 * DAY, days=30)
    assert Path(new.leaf(NAME), (crossed,), new).judged() == Judgement()
    assert not Path(new.leaf(NAME), (crossed,), old).judged().good


def test_the_issuer_that_the_authority_key_identifier_means_is_preferred():
    """Two certificates of one authority: OpenSSL takes only the one whose serial number the leaf gives."""
    old, new = (ROOT.authority("Toy CA", key=CA.key, days=days) for days in (300, 400))
    meant = x509.AuthorityKeyIdentifier(
        None, [x509.DirectoryName(ROOT.certificate.subject)], old.certificate.serial_number
    )
    leaf = old.leaf(NAME, identifiers=False, extensions=(meant, x509.SubjectKeyIdentifier(b"k")))
    for given in (bundle_of(leaf, new, old), bundle_of(leaf, old, new)):
        found = look(given, anchors=[ROOT.certificate])
        assert found.chain.intermediates == (old.certificate,)
        assert found.warnings == ()
    built = Chain.build(leaf.key, [leaf.certificate, new.certificate, old.certificate])
    assert built.intermediates == (old.certificate,)


def test_what_both_other_verifiers_refuse_is_refused_in_their_words_and_without_them_nothing_is_found():
    """A critical extension that GnuTLS and Firefox know: the agent has no check of its own for it."""
    path = of_leaf(critical=(MUST_STAPLE,))
    (objection,) = path.judged().refused
    said = f'Clients refuse the chain of "{NAME}": OpenSSL says "unhandled critical extension", Python\'s cryptography says "'
    assert objection.sentence.startswith(said)
    assert path.judged(others=False).good


def test_short_keys_of_any_kind_are_refused_in_each_authority():
    cure = "Ask the certificate authority for a chain whose issuers all have stronger keys."
    for key, kind, bits, least in (
        (ec.generate_private_key(ec.SECP192R1()), "elliptic curve", 192, 224),
        (dsa.generate_private_key(1024), "DSA", 1024, 2048),
        (rsa_key(1024), "RSA", 1024, 2048),
    ):
        top = root("Short Root", key=key)
        (objection,) = through(top.authority("Toy CA"), top=top).judged(others=False).refused
        assert (objection.sentence, objection.error.problem.fix) == (short_key(kind, "Short Root", bits, least), cure)
        middle = ROOT.authority("Short CA", key=key)
        said = refusal(bundle_of(middle.leaf(NAME), middle), anchors=[ROOT.certificate])
        assert said == f"{short_key(kind, 'Short CA', bits, least)}.\n{cure}"


@pytest.mark.parametrize(
    ("constraints", "limits"),
    [
        (permitted(DNS(f".{NAME}")), f'permitted: names below "{NAME}"'),
        (excluded(DNS("example.com"), TEN), 'not for: "example.com", "10.0.0.0/8"'),
        (
            x509.NameConstraints([MINE, DNS("example.org")], [EMAIL("example.net")]),
            'permitted: "O=Mine", "example.org"; not for: "example.net"',
        ),
    ],
)
def test_what_an_authority_may_issue_for_is_said(constraints: x509.NameConstraints, limits: str):
    path = constrained(constraints)
    fix = path.judged().refused[0].error.problem.fix
    assert (
        fix
        == f"Ask for a certificate with names that the authority may issue for ({limits}), or one of another authority."
    )


def test_a_short_key_of_one_s_own_is_to_be_made_again():
    weak = CA.leaf(NAME, key=rsa_key(1024))
    assert refusal(bundle_of(weak, CA)) == (
        "The RSA key has 1024 bits, and services and clients refuse less than 2048.\n"
        "Make a new key (ECDSA P-256, or RSA with 2048 bits or more) and request a new certificate."
    )


def test_an_authority_without_a_name_is_warned_of():
    (objection,) = through(ROOT.authority(None)).judged().warnings
    assert objection.sentence.startswith("the authority with the serial ")
    assert objection.sentence.endswith(" has an empty subject: Python 3.13 and Python's cryptography refuse it")


def test_a_certificate_that_ends_before_it_begins_is_called_that():
    leaf = CA.leaf(NAME)
    der, at = leaf.certificate.tbs_certificate_bytes, leaf.certificate.tbs_certificate_bytes.index(b"\x17\x0d")
    begin, end = der[at : at + 15], der[at + 15 : at + 30]
    odd = rewritten(leaf, CA, begin + end, end + begin)
    assert refusal(bundle_of(odd, CA), anchors=[ROOT.certificate]) == (
        f'The certificate of "{NAME}" is not well-formed: it ends at 2026-10-31T12:00:00Z, before it begins at '
        "2027-01-30T12:00:00Z.\nAsk the certificate authority for a correct one."
    )


def test_clients_are_judged_as_clients():
    path = of_leaf(extensions=(SERVER_AUTH,))
    sentence = f'The certificate of "{NAME}" is not for clients; its extended key usage is serverAuth'
    assert [each.sentence for each in path.judged(purpose=Purpose.CLIENT).refused] == [sentence]
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    assert of_leaf(extensions=(both,)).judged(purpose=Purpose.CLIENT) == Judgement()


def test_a_constraint_that_can_not_be_read_is_a_reason_and_no_traceback():
    short = tlv(0x30, tlv(0xA0, tlv(0x30, tlv(0x87, bytes(4)))))  # an address without a mask
    odd = root("Odd Root", extensions=(x509.UnrecognizedExtension(x509.NameConstraints.oid, short),))
    leaf = odd.leaf(NAME)
    with pytest.raises(AgentError) as caught:
        look(bundle_of(leaf, odd))
    assert str(caught.value) == (
        'The certificate of "Odd Root" is not well-formed: its extension nameConstraints can\'t be read: an address in it '
        "has another length than one of IPv4 or IPv6 with its mask.\nAsk the certificate authority for a correct one."
    )
    judgement = Path(leaf, (), odd).judged()
    assert [each.sentence for each in judgement.refused] == [
        (
            "A certificate can't be read: the extensions of Odd Root are not well-formed "
            "(an address in it has another length than one of IPv4 or IPv6 with its mask)"
        )
    ]


def test_a_new_check_warns_of_what_is_served_already_for_one_lifetime():
    judgement = of_leaf(extensions=(ANY,)).judged()
    renewed = judgement.as_renewal_of(judgement, edition=0)
    assert renewed.good
    assert [each.code for each in renewed.warnings] == ["upload.not_for_servers"]
    assert not judgement.as_renewal_of(judgement, edition=EDITION).good
    assert not judgement.as_renewal_of(of_leaf().judged(), edition=0).good


def test_what_has_ended_is_no_renewal_of_what_has_ended():
    judgement = of_leaf().judged(now=NOW + 100 * DAY)
    assert not judgement.as_renewal_of(judgement, edition=0).good
