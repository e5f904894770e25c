import pytest

from agent.errors import AgentError
from agent.errors.chain import (
    CertificateUnreadable,
    ContentUnexpected,
    IssuerMayNotSign,
    IssuerMissing,
    KeyMismatch,
    KeyUnreadable,
    KeyUnsupported,
    LeafIsAuthority,
    NoLeaf,
    NotEncodable,
    SignatureInvalid,
    UnusedCertificates,
    WeakKey,
    WeakSignature,
    WrongIssuer,
)

ANOTHER_KEY = "Give the key that the certificate was requested with, or request a new certificate for this key."
LEAF_WANTED = "Add the certificate that was issued for the names of the service."

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        KeyMismatch(["www.example.com"]),
        f'The private key does not belong to the certificate of "www.example.com".\n{ANOTHER_KEY}',
    ),
    (
        KeyMismatch(["a", "b", "c", "d", "e"]),
        f'The private key does not belong to the certificate of "a", "b", "c" and 2 more.\n{ANOTHER_KEY}',
    ),
    (NoLeaf([]), f"No certificate was given.\n{LEAF_WANTED}"),
    (
        NoLeaf(["Toy Root"]),
        'Only certificates of authorities were given ("Toy Root"), so the certificate of the service itself is missing.\n'
        + LEAF_WANTED,
    ),
    (
        IssuerMissing("www.example.com", "Toy CA", ["Toy Root"]),
        (
            'The certificate of "www.example.com" was issued by "Toy CA", which is missing; given was "Toy Root".\n'
            'Add the certificate of "Toy CA"; its operator publishes it.'
        ),
    ),
    (
        WrongIssuer("www.example.com", "Toy CA", "Other CA"),
        (
            'The certificate of "www.example.com" was issued by "Toy CA", but the certificate of "Other CA" follows it.\n'
            "Put each certificate before that of its issuer, the service's own first."
        ),
    ),
    (
        SignatureInvalid("www.example.com", "Toy CA"),
        (
            'The signature on the certificate of "www.example.com" does not verify with the key of "Toy CA".\n'
            'One of the two was altered or belongs to another key of "Toy CA": get both again from there.'
        ),
    ),
    (
        IssuerMayNotSign("Toy CA", "its key usage does not include keyCertSign"),
        (
            'The certificate of "Toy CA" may not sign what follows from it: its key usage does not include keyCertSign.\n'
            "Ask the certificate authority for the right intermediate certificates."
        ),
    ),
    (
        UnusedCertificates("www.example.com", ["Other CA"]),
        (
            'The certificate of "Other CA" has nothing to do with the chain of "www.example.com".\n'
            "Remove it, or give the certificates that link it."
        ),
    ),
    (
        LeafIsAuthority("Toy CA"),
        (
            'The key belongs to "Toy CA", which is a certificate authority and not a service.\n'
            "Give the key and the certificate of the service; an authority of your own is uploaded as the root."
        ),
    ),
    (
        WeakKey(1024, "www.example.com"),
        (
            'The RSA key of "www.example.com" has 1024 bits, and services and clients refuse less than 2048.\n'
            "Make a new key (ECDSA P-256, or RSA with 2048 bits or more) and request a new certificate."
        ),
    ),
    (
        WeakKey(1024),
        (
            "The RSA key has 1024 bits, and services and clients refuse less than 2048.\n"
            "Make a new key (ECDSA P-256, or RSA with 2048 bits or more) and request a new certificate."
        ),
    ),
    (
        WeakSignature("www.example.com", "sha1"),
        (
            'The certificate of "www.example.com" is signed with SHA1, which services and clients refuse.\n'
            "Ask the certificate authority for one that is signed with SHA-256 or better."
        ),
    ),
    (
        KeyUnsupported("secp521r1"),
        (
            'Keys of the type "secp521r1" are not supported.\n'
            "Use ECDSA P-256 or P-384, RSA with 2048 bits or more, or Ed25519."
        ),
    ),
    (
        KeyUnreadable("it is protected by a password"),
        (
            "The private key can't be read: it is protected by a password.\n"
            'Give it in PEM form, with its "BEGIN ... PRIVATE KEY" and "END" lines, without a password.'
        ),
    ),
    (
        CertificateUnreadable("number 2 is damaged"),
        (
            "A certificate can't be read: number 2 is damaged.\n"
            'Give it in PEM form, with its "BEGIN CERTIFICATE" and "END CERTIFICATE" lines.'
        ),
    ),
    (
        ContentUnexpected(["key", "leaf"], "pem", "there is no private key"),
        "This is not key + leaf in the format pem: there is no private key.\nRender it again with `chainwright apply`.",
    ),
    (
        NotEncodable(["key", "leaf"], "der", "it holds one object"),
        (
            "The parts key + leaf can't be written in the format der: it holds one object.\n"
            "Change `parts`, `format` or `index` of the file in the plugin's declaration."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_codes_are_of_one_family_and_each_class_has_its_own():
    codes = {type(error): error.code for error, _ in EXAMPLES}
    assert all(code.startswith("chain.") for code in codes.values())
    assert len(set(codes.values())) == len(codes)
