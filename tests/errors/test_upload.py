from datetime import UTC, datetime, timedelta

import pytest

from agent.errors import AgentError
from agent.errors.upload import (
    BrokenBlock,
    CertificateMissing,
    Damaged,
    Expired,
    Incomplete,
    KeyMissing,
    NameNotPermitted,
    NoKeyFits,
    NoNames,
    NotACertificate,
    NotForServers,
    NothingGiven,
    NotYetValid,
    OddCertificate,
    PairMismatch,
    ParentsMissing,
    PassphraseMissing,
    PassphraseWrong,
    StrayKey,
    TooCostly,
    TooLarge,
    TooManyCertificates,
    TooManyKeys,
    TrustUnreadable,
    TwoCertificates,
    TwoChains,
)

MOMENT = datetime(2026, 11, 1, 12, tzinfo=UTC)

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        NothingGiven(),
        (
            "Nothing was given: there is no file and no text.\n"
            "Give the certificate, its private key and the certificates of its issuers, as PEM, DER, PKCS#7 or "
            "PKCS#12."
        ),
    ),
    (
        TooLarge(1048577, 1048576),
        (
            "The upload has 1048577 bytes, and 1048576 are allowed.\n"
            "Give only the certificate, its private key and the certificates of its issuers."
        ),
    ),
    (
        TooManyCertificates(100),
        (
            "The upload holds more than 100 certificates.\n"
            "Give only those that lead from the certificate to its root, not a whole collection of roots."
        ),
    ),
    (
        TooManyKeys(10),
        ("The upload holds more than 10 private keys.\nGive only the one that the certificate was requested with."),
    ),
    (
        NotACertificate("index.html", "an HTML page", "Download the file itself."),
        (
            "index.html: This is neither a certificate nor a private key; it looks like an HTML page.\n"
            "Download the file itself."
        ),
    ),
    (
        BrokenBlock("chain.pem", 2, "CERTIFICATE", "it has no END line"),
        (
            'chain.pem: Block 2 ("CERTIFICATE") is broken: it has no END line.\n'
            "Copy it again as a whole, from its BEGIN line to its END line."
        ),
    ),
    (
        Damaged("leaf.der", "a certificate", "short data"),
        (
            "leaf.der: This is a certificate, but it is damaged.\n"
            "Get it again from where it comes from; binary files must be copied unchanged."
        ),
    ),
    (
        OddCertificate("www.example.com", "its serial number is negative (RFC 5280 section 4.1.2.2)"),
        (
            'The certificate of "www.example.com" is not well-formed: its serial number is negative (RFC 5280 '
            "section 4.1.2.2).\n"
            "Ask the certificate authority for a correct one."
        ),
    ),
    (
        PassphraseMissing("portal.key"),
        (
            "portal.key: The private key is encrypted, and no passphrase was given.\n"
            "Enter its passphrase (--passphrase-file FILE), or decrypt it: openssl pkey -in key.pem -out "
            "plain.pem"
        ),
    ),
    (
        PassphraseWrong("portal.p12"),
        (
            "portal.p12: The passphrase does not open it.\n"
            "Enter the passphrase that it was encrypted with; mind capital letters and the keyboard's layout."
        ),
    ),
    (
        TooCostly("portal.key", "it is longer than RSA with 8192 bits"),
        (
            "portal.key: The private key is not opened: it is longer than RSA with 8192 bits.\n"
            "Write it again with usual parameters: openssl pkey -in key.pem -out plain.pem"
        ),
    ),
    (
        KeyMissing(["a.crt: 1 certificate", "a.csr: a certificate signing request"]),
        (
            "There is no private key in what was given (a.crt: 1 certificate; a.csr: a certificate signing "
            "request).\n"
            'Add it: a block "BEGIN PRIVATE KEY" in the file, or the .key file too.'
        ),
    ),
    (
        CertificateMissing(["a.key: 1 private key"]),
        (
            "There is no certificate in what was given (a.key: 1 private key).\n"
            "Add the certificate that was issued for this key, and those of its issuers."
        ),
    ),
    (
        PairMismatch("www.example.com", "3F:9A:00:11:22:33:44:55", "71:0C:00:11:22:33:44:55"),
        (
            "Key and certificate do not match: the SHA-256 of the public key begins with 3F:9A:00:11:22:33:44:55 "
            'in the certificate of "www.example.com", and with 71:0C:00:11:22:33:44:55 for the private key.\n'
            "Give the key that the certificate was requested with. Was a new request made later?"
        ),
    ),
    (
        NoKeyFits(["a.key", "b.pem, block 2"], "www.example.com"),
        (
            'Not one of the 2 private keys (a.key, b.pem, block 2) belongs to "www.example.com".\n'
            "Give the one key that the certificate was requested with."
        ),
    ),
    (
        StrayKey("b.key", "www.example.com", "a.key"),
        (
            'There is a private key that belongs to no certificate (b.key), beside that of "www.example.com" '
            "(a.key).\n"
            "Leave out the key in b.key, or upload it with its own certificate."
        ),
    ),
    (
        TwoChains(["a.example.com", "b.example.com"]),
        (
            'There are 2 certificates with their private keys: "a.example.com", "b.example.com".\n'
            "Upload them separately, each with its own private key and the certificates of its issuers."
        ),
    ),
    (
        TwoCertificates(["a.example.com", "b.example.com"]),
        (
            'The private key belongs to 2 certificates for different names: "a.example.com", "b.example.com".\n'
            "Upload them separately, each with its own private key and the certificates of its issuers."
        ),
    ),
    (
        Incomplete("www.example.com", "Toy CA"),
        (
            'The chain is incomplete: "www.example.com" was issued by "Toy CA", which is neither among what was '
            "given nor among the known roots.\n"
            'Add the certificate of "Toy CA"; the root of a private authority may also stand in '
            "/etc/chainwright/trust/."
        ),
    ),
    (
        Incomplete("www.example.com", "Toy CA", "http://ca.example.com/toy.crt"),
        (
            'The chain is incomplete: "www.example.com" was issued by "Toy CA", which is neither among what was '
            "given nor among the known roots.\n"
            'Add the certificate of "Toy CA" (from http://ca.example.com/toy.crt); the root of a private '
            "authority may also stand in /etc/chainwright/trust/."
        ),
    ),
    (
        ParentsMissing("Branch CA", "Company Root"),
        (
            'The authority "Branch CA" was issued by "Company Root", which is missing.\n'
            'Add the certificate of "Company Root" and those above it, up to its root.'
        ),
    ),
    (
        ParentsMissing("Branch CA", "Company Root", "http://ca.example.com/root.crt"),
        (
            'The authority "Branch CA" was issued by "Company Root", which is missing.\n'
            'Add the certificate of "Company Root" (from http://ca.example.com/root.crt) and those above it, up '
            "to its root."
        ),
    ),
    (
        Expired("www.example.com", MOMENT),
        (
            'The certificate of "www.example.com" expired at 2026-11-01T12:00:00Z.\n'
            "Get a new one from the certificate authority."
        ),
    ),
    (
        NotYetValid("www.example.com", MOMENT + timedelta(days=1), MOMENT),
        (
            'The certificate of "www.example.com" is not valid before 2026-11-02T12:00:00Z; it is '
            "2026-11-01T12:00:00Z here.\n"
            "Check the clock of the appliance, or upload it from then on."
        ),
    ),
    (
        NotForServers("www.example.com", ["clientAuth", "1.2.3.4"]),
        (
            'The certificate of "www.example.com" is not for servers; its extended key usage is clientAuth, '
            "1.2.3.4.\n"
            "Ask the certificate authority for one with serverAuth (TLS web server authentication)."
        ),
    ),
    (
        NameNotPermitted("www.example.org", "Branch CA"),
        (
            'The authority "Branch CA" may not issue certificates for "www.example.org" (name constraints); '
            "clients refuse it.\n"
            "Ask for a certificate with names that the authority may issue for, or one of another authority."
        ),
    ),
    (
        NoNames("My Server"),
        (
            'The certificate of "My Server" is for no host name and no address.\n'
            "Request one with the names of the service as subject alternative names."
        ),
    ),
    (
        TrustUnreadable("/etc/chainwright/trust/company.pem", "a certificate can't be read: number 1 is damaged"),
        (
            "/etc/chainwright/trust/company.pem: A file of trusted roots can't be used: a certificate can't be "
            "read: number 1 is damaged.\n"
            "Put certificates in PEM or DER form there, or remove the file."
        ),
    ),
    (
        TrustUnreadable(
            "/etc/chainwright/trust/company.pem", "every user can write to it (mode 0666)", "chmod go-w FILE"
        ),
        (
            "/etc/chainwright/trust/company.pem: A file of trusted roots can't be used: every user can write to "
            "it (mode 0666).\n"
            "chmod go-w FILE"
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
