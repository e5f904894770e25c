"""Each kind of TLSA record is judged as mail servers do (RFC 7672), and what each renewal would break is said."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from agent.health.dane import Presented, Subject, of_dane
from agent.model.finding import Severity
from agent.model.kept_key import KeptKey, KeyReuse, KeyRole
from agent.model.need import Need
from agent.model.tlsa import CertificateBytes, TlsaLook, TlsaRecord
from support.cas.certificates import DAY, NOW

OWNER = "_25._tcp.mail.example.com"
LEAF, AUTHORITY = CertificateBytes(b"leaf", b"key of the leaf"), CertificateBytes(b"issuer", b"key of the issuer")
OTHER, FOLLOWING = b"something else", b"next key"
KEYS = (
    KeptKey("r", "a", LEAF.public, KeyRole.PRESENT, NOW),
    KeptKey("r", "b", FOLLOWING, KeyRole.NEXT, NOW),
)
PUBLISH = f"Publish: {OWNER}. IN TLSA 3 1 1 {hashlib.sha256(LEAF.public).hexdigest()}"


def record(kind: str, data: bytes) -> str:
    """Return a record with the right form of what it names."""
    digest = {"0": data.hex(), "1": hashlib.sha256(data).hexdigest(), "2": hashlib.sha512(data).hexdigest()}
    return f"{kind} {digest[kind[-1]]}"


def subject(*records: str, keep: KeyReuse | None = None, **options) -> Subject:
    parsed = tuple(map(TlsaRecord.parse, records))
    look = TlsaLook(OWNER, parsed, authenticated=True, since=NOW)
    need = Need(("mail.example.com",), module="mail", tlsa=(OWNER,))
    made = Subject(need, look, Presented((LEAF, AUTHORITY), "acme", NOW + 60 * DAY), keep, KEYS if keep else ())
    return replace(made, **options)


def told(each: Subject) -> dict[str, Severity]:
    return {finding.problem.code: finding.severity for finding in of_dane([each], NOW)}


def sentence(each: Subject) -> tuple[str, str]:
    (finding,) = of_dane([each], NOW)
    assert (finding.subject, finding.name) == ("mail/default", OWNER)
    return finding.problem.cause, finding.problem.fix


KEEPING = KeyReuse(days=400)


@pytest.mark.parametrize("kind", ["3 1 1", "3 1 2", "3 1 0"])
def test_a_record_of_a_key_that_is_kept_is_good_once_the_next_one_is_there_too(kind: str):
    present, following = record(kind, LEAF.public), record(kind, FOLLOWING)
    assert told(subject(present, following, keep=KEEPING)) == {}
    assert told(subject(present, keep=KEEPING)) == {"status.tlsa_next": Severity.NOTICE}
    assert told(subject(present)) == {"status.tlsa_new_keys": Severity.WARNING}


@pytest.mark.parametrize("kind", ["2 0 1", "2 1 1", "2 0 2", "2 1 0"])
def test_a_record_of_an_authority_that_is_sent_outlives_keys_but_not_the_authority(kind: str):
    data = AUTHORITY.der if kind[2] == "0" else AUTHORITY.public
    assert told(subject(record(kind, data))) == {"status.tlsa_of_authority": Severity.NOTICE}
    alone = Presented((LEAF,), "local")
    assert told(subject(record(kind, data), presented=alone)) == {"status.tlsa_mismatch": Severity.ERROR}
    with_leaf = subject(record(kind, data), record("3 1 1", LEAF.public))
    assert told(with_leaf) == {}, "one of two outlives the renewal"


@pytest.mark.parametrize("kind", ["3 0 1", "3 0 2", "3 0 0"])
def test_a_record_of_the_certificate_breaks_with_each_renewal(kind: str):
    assert told(subject(record(kind, LEAF.der), keep=KEEPING)) == {"status.tlsa_of_certificate": Severity.WARNING}


@pytest.mark.parametrize("kind", ["3 0 1", "3 1 1", "2 0 1", "2 1 1"])
def test_a_record_of_something_else_is_an_error(kind: str):
    assert told(subject(record(kind, OTHER))) == {"status.tlsa_mismatch": Severity.ERROR}


@pytest.mark.parametrize("kind", ["0 0 1", "1 1 1", "255 0 1", "3 9 1", "3 1 9"])
def test_what_is_not_for_smtp_is_said_and_counts_for_nothing(kind: str):
    text = f"{kind} {hashlib.sha256(LEAF.public).hexdigest()}"
    assert told(subject(text)) == {
        "status.tlsa_unsuitable": Severity.NOTICE,
        "status.tlsa_mismatch": Severity.ERROR,
    }


def test_an_upload_is_not_renewed_by_anybody():
    uploaded = Presented((LEAF, AUTHORITY), "uploaded")
    assert told(subject(record("3 1 1", LEAF.public), presented=uploaded)) == {}
    assert told(subject(record("3 1 1", OTHER), presented=uploaded)) == {"status.tlsa_mismatch": Severity.ERROR}


def test_the_key_that_is_served_when_an_upload_ends_is_to_be_published_as_well():
    uploaded = Presented((CertificateBytes(b"upload", b"its key"), AUTHORITY), "uploaded")
    served = record("3 1 1", b"its key")
    each = subject(served, presented=uploaded, keep=KEEPING)
    assert told(each) == {"status.tlsa_next": Severity.NOTICE}
    present, following = (f"{OWNER}. IN TLSA {record('3 1 1', data)}" for data in (LEAF.public, FOLLOWING))
    assert sentence(each) == (
        (
            "The next key of mail/default is to be used when the chain that is served gives way to that of another key, "
            f"and no TLSA record at {OWNER} names it."
        ),
        f"Publish: {present}; {following}, beside those that are there",
    )
    older = replace(each, presented=replace(uploaded, source="acme"))
    assert told(older) == {"status.tlsa_next": Severity.WARNING}, "it waits for its window"
    assert told(subject(served, record("3 1 1", LEAF.public), presented=uploaded, keep=KEEPING)) == {
        "status.tlsa_next": Severity.NOTICE
    }
    every = [served, record("3 1 1", LEAF.public), record("3 1 1", FOLLOWING)]
    assert told(subject(*every, presented=uploaded, keep=KEEPING)) == {}


def test_what_is_not_authentic_is_no_dane():
    each = subject(record("3 1 1", OTHER))
    unsigned = replace(each, look=replace(each.look, authenticated=False))
    assert told(unsigned) == {
        "status.dane_not_in_effect": Severity.NOTICE,
        "status.tlsa_mismatch": Severity.WARNING,
    }


def test_a_resolver_off_this_machine_is_told_once_a_module_where_it_vouches_for_records():
    good = subject(record("3 1 1", LEAF.public), record("3 1 1", FOLLOWING), keep=KEEPING)
    (finding,) = of_dane([good, good], NOW, "192.0.2.53")
    assert (finding.subject, finding.severity, finding.problem.code) == (
        "mail",
        Severity.NOTICE,
        "status.dane_resolver_remote",
    )
    assert finding.problem.cause == (
        "That the TLSA records of mail are authentic is what the resolver at 192.0.2.53 says, and on the way from there its "
        "answers could be forged."
    )
    assert list(of_dane([subject()], NOW, "192.0.2.53")) == []
    assert list(of_dane([good], NOW)) == []


def test_no_records_are_fine():
    assert told(subject()) == {}
    assert told(subject(look=TlsaLook(OWNER))) == {}


def test_the_sentences_name_what_is_there_and_what_to_publish():
    other = record("3 1 1", OTHER)
    assert sentence(subject(other)) == (
        (
            f"None of the TLSA records at {OWNER} ({other[:18]}...) is of the chain that mail/default serves: "
            "servers that go by DANE don't deliver to it."
        ),
        PUBLISH,
    )
    of_leaf = record("3 0 1", LEAF.der)
    assert sentence(subject(of_leaf)) == (
        (
            f"The TLSA records at {OWNER} that are of the chain of mail/default ({of_leaf[:18]}...) name the certificate, which "
            "each renewal replaces: then servers that go by DANE don't deliver to it."
        ),
        f'{PUBLISH} and set key = "keep" in [modules.mail]',
    )
    assert sentence(subject(record("3 1 1", LEAF.public))) == (
        (
            f"The TLSA records at {OWNER} name the key of the chain of mail/default, and the next renewal brings a new key: "
            "then servers that go by DANE don't deliver to it."
        ),
        'Set key = "keep" in [modules.mail]',
    )
    authority = record("2 1 1", AUTHORITY.public)
    assert sentence(subject(authority)) == (
        (
            f"The TLSA records at {OWNER} that are of the chain of mail/default ({authority[:18]}...) name an authority of it: "
            "they are wrong once acme delivers a chain of another one."
        ),
        PUBLISH,
    )
    assert sentence(subject(record("3 1 1", LEAF.public), keep=KEEPING)) == (
        (
            "The next key of mail/default is to be used once the present one has been kept for as long as the settings say, "
            f"and no TLSA record at {OWNER} names it."
        ),
        f"Publish: {OWNER}. IN TLSA {record('3 1 1', FOLLOWING)}, beside those that are there",
    )
    assert sentence(subject(look=TlsaLook(OWNER, problem="there was no answer"))) == (
        f"DNS could not be asked for the TLSA records at {OWNER}: there was no answer.",
        "See [dane] resolvers.",
    )
