"""An authority of one's own, with its key and its parents, or a refusal with its cause."""

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from agent.inspection import diagnose_root
from agent.inspection.selection import short_digest
from agent.pki.chain import Chain, KeyType, Purpose
from support.cas.certificates import DAY, NOW, issue, key_pem, p256_key, pem, root, rsa_key
from support.fakes.uploads import CA, LEAF, ROOT, bundle_of, der, encrypted_pem, p12, pieces, root_refusal

COMPANY = root("Company Root")
REGION = COMPANY.authority("Region CA", days=900)
BRANCH = REGION.authority("Branch CA", days=500)

MAY_NOT_CURE = "Give a certificate authority that may sign certificates, with its key."


def take(*given, **options):
    return diagnose_root(pieces(*given), **{"now": NOW, **options})


def test_a_self_signed_root_is_taken_in_every_form():
    for found in (
        take(bundle_of(COMPANY)),
        take(der(COMPANY.certificate), key_pem(COMPANY.key)),
        take(pem(COMPANY.certificate), encrypted_pem(COMPANY.key, b"geheim"), passphrase=b"geheim"),
        take(p12(COMPANY, secret=b"geheim"), passphrase=b"geheim"),
    ):
        assert (found.certificate, found.parents, found.intermediates) == (COMPANY.certificate, (), ())


@pytest.mark.parametrize(
    "order", [(BRANCH, REGION, COMPANY), (COMPANY, BRANCH, REGION), (REGION, REGION, COMPANY, BRANCH)]
)
def test_a_subordinate_authority_is_taken_with_its_parents_in_any_order(order):
    found = take(key_pem(BRANCH.key), pem(*(party.certificate for party in order)))
    assert found.certificate == BRANCH.certificate
    assert found.parents == (REGION.certificate, COMPANY.certificate)
    assert found.intermediates == (BRANCH.certificate, REGION.certificate)
    leaf = found.issue(["gw.example.test"], KeyType.ECDSA_P256, Purpose.SERVER, NOW)
    assert leaf == Chain(key=leaf.key, leaf=leaf.leaf, intermediates=found.intermediates, anchor=COMPANY.certificate)


def test_missing_parents_are_named():
    assert root_refusal(bundle_of(BRANCH, COMPANY)) == (
        'The authority "Branch CA" was issued by "Region CA", which is missing.\n'
        'Add the certificate of "Region CA" and those above it, up to its root.'
    )
    url = x509.UniformResourceIdentifier("http://ca.example.com/root.crt")
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url)
    region = COMPANY.authority("Region CA", extensions=(x509.AuthorityInformationAccess([access]),))
    assert root_refusal(bundle_of(region.authority("Branch CA"), region)) == (
        'The authority "Region CA" was issued by "Company Root", which is missing.\n'
        'Add the certificate of "Company Root" (from http://ca.example.com/root.crt) and those above it, up to its root.'
    )


@pytest.mark.parametrize(
    ("party", "reason"),
    [
        (issue("Gateway", issuer=None), "it is not a certificate authority (basicConstraints)"),
        (issue("Gateway", issuer=None, constraints=False), "it is not a certificate authority (basicConstraints)"),
        (root("Gateway", cert_sign=False), "its key usage does not include keyCertSign"),
    ],
)
def test_what_may_not_sign_is_refused_with_its_cause(party, reason: str):
    assert root_refusal(bundle_of(party)) == f'"Gateway" can\'t be the root: {reason}.\n{MAY_NOT_CURE}'


def test_a_service_s_certificate_is_no_root():
    message = (
        f'"www.example.com" can\'t be the root: it is not a certificate authority (basicConstraints).\n{MAY_NOT_CURE}'
    )
    assert root_refusal(bundle_of(LEAF, CA, ROOT)) == message


def test_a_parent_that_allows_no_authority_below_itself_is_refused():
    short = root("Short Root", pathlen=0)
    assert root_refusal(bundle_of(short.authority("Branch CA"), short)) == (
        '"Branch CA" can\'t be the root: "Short Root" above it may not sign it: '
        f"it allows no authorities below itself (path length), and there is 1.\n{MAY_NOT_CURE}"
    )


def test_a_root_outside_its_time_is_refused():
    assert root_refusal(bundle_of(COMPANY), now=NOW + 4000 * DAY) == (
        'The certificate of "Company Root" expired at 2036-10-29T12:00:00Z.\nGet a new one from the certificate authority.'
    )
    assert root_refusal(bundle_of(COMPANY), now=NOW - 2 * DAY) == (
        'The certificate of "Company Root" is not valid before 2026-10-31T12:00:00Z; it is 2026-10-30T12:00:00Z here.\n'
        "Check the clock of the appliance, or upload it from then on."
    )
    assert root_refusal(bundle_of(BRANCH, REGION, root("x")), now=NOW + 400 * DAY).startswith("The authority")
    short = COMPANY.authority("Short CA", days=30)
    late = short.authority("Branch CA", days=90)
    assert root_refusal(bundle_of(late, short, COMPANY), now=NOW + 40 * DAY) == (
        'The certificate of "Short CA" expired at 2026-12-01T12:00:00Z.\nGet a new one from the certificate authority.'
    )


def test_a_key_of_another_authority_is_refused():
    other = p256_key()
    of_root, of_key = short_digest(COMPANY.key.public_key()), short_digest(other.public_key())
    assert root_refusal(pem(COMPANY.certificate), key_pem(other)) == (
        f"Key and certificate do not match: the SHA-256 of the public key begins with {of_root} in the certificate of "
        f'"Company Root", and with {of_key} for the private key.\n'
        "Give the key that the certificate was requested with. Was a new request made later?"
    )


def test_a_weak_root_is_refused():
    weak = root("Weak Root", key=rsa_key(1024))
    assert root_refusal(bundle_of(weak)).startswith("The RSA key has 1024 bits, and services and clients refuse")
    above = issue("Branch CA", issuer=weak, ca=True)
    assert root_refusal(bundle_of(above, weak)).startswith(
        'The RSA key of "Weak Root" has 1024 bits, and services and clients refuse less than 2048.'
    )


def test_an_authority_for_other_purposes_is_refused():
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    mail = COMPANY.authority("Mail CA", extensions=(usage,))
    assert root_refusal(bundle_of(mail, COMPANY)) == (
        'The certificate of "Mail CA" is not for servers; its extended key usage is emailProtection.\n'
        "Use an authority whose extended key usage, if there is one, names serverAuth (TLS web server authentication)."
    )


def test_other_certificates_beside_a_root_are_refused_unless_they_are_authorities():
    assert take(bundle_of(COMPANY), pem(ROOT.certificate)).parents == ()
    assert root_refusal(bundle_of(COMPANY), pem(LEAF.certificate)).startswith(
        'The certificate of "www.example.com" has nothing to do with the chain of "Company Root".'
    )


def test_two_roots_at_once_are_refused():
    assert root_refusal(bundle_of(COMPANY), bundle_of(ROOT)).startswith(
        'There are 2 certificates with their private keys: "Company Root", "Toy Root".'
    )
    assert root_refusal(pem(COMPANY.certificate)).startswith("There is no private key in what was given")


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.2"), b"\x05\x00")
ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
CODE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])


@pytest.mark.parametrize(
    ("party", "refused"),
    [
        (
            root("Own Root", critical=(UNKNOWN,)),
            'The certificate of "Own Root" has the critical extension 1.3.6.1.4.1.',
        ),
        (
            root("Own Root", extensions=(ANY,)),
            "extended key usage is anyExtendedKeyUsage, and clients want serverAuth itself.",
        ),
        (root("Own Root", extensions=(CODE,)), "is not for servers; its extended key usage is codeSigning."),
        (root("Own Root", key=rsa_key(1024)), "The RSA key has 1024 bits, and services and clients refuse less than"),
    ],
)
def test_a_root_whose_leaves_every_client_refuses_is_refused(party, refused: str):
    assert refused in root_refusal(bundle_of(party))


def test_what_every_client_refuses_above_a_subordinate_authority_is_refused():
    top = root("Company Root", critical=(UNKNOWN,))
    message = 'The certificate of "Company Root" has the critical extension 1.3.6.1.4.1.55555.1.2'
    assert root_refusal(bundle_of(top.authority("Branch CA"), top)).startswith(message)
