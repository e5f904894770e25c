"""What the judge warned of when it let a chain in is a finding as long as the chain is in use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.health.chain_warnings import chain_warnings
from agent.health.snapshot import Snapshot
from agent.model.binding import Binding, LadderPosition
from agent.model.finding import Severity, SubjectKind
from agent.model.records import ChainRecord
from agent.pki.chain import KeyType, Purpose
from agent.pki.judgement import INCOMPLETE, Objection
from support.cas.certificates import DAY

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
UNKNOWN = Objection(
    INCOMPLETE, "Issuer A", 'the issuer of "Issuer A" is not known here, so the chain may be incomplete', ""
)
CURVE = Objection("chain.browsers_refuse", "a.example", "its key is Ed25519, which browsers refuse", "browsers")
ISSUER = Objection("chain.unusual_key", "Own Root", 'the key of "Own Root" is an Ed25519 key: X refuses it', "X")
STAPLE = Objection("chain.must_staple", "a.example", "it demands a stapled OCSP response: GnuTLS refuses it", "GnuTLS")
FORGIVEN = Objection("chain.critical", "a.example", "it has an extension that no client knows")
STRICT = Objection("chain.no_aki", "a.example", "it has no authority key identifier", "OpenSSL in strict mode")
REMARK = Objection("source.remark", "CA", "no chain leads to X", "")


def record(*warnings: Objection, **more) -> ChainRecord:
    made = ChainRecord(
        id="1",
        source="acme",
        names=("a.example",),
        key_type=KeyType.ECDSA_P256,
        purposes=(Purpose.SERVER,),
        issuer="CA",
        serial="1",
        not_before=NOW,
        not_after=NOW + 90 * DAY,
        fingerprints=("a", "b"),
    )
    return replace(made, warnings=warnings, created_at=NOW, **more)


def found(of: ChainRecord, bound: str | None = "1"):
    binding = Binding("web", "default", bound, "acme", LadderPosition.WANTED)
    return list(chain_warnings(Snapshot(chains=(of,), bindings=(binding,))))


@pytest.mark.parametrize(
    ("of", "severity"),
    [
        (record(UNKNOWN), Severity.NOTICE),
        (record(UNKNOWN, fingerprints=("a",)), Severity.WARNING),
        (record(CURVE), Severity.WARNING),
        (record(CURVE, source="uploaded"), Severity.WARNING),
        (record(CURVE, source="local", root="r"), Severity.NOTICE),
        (record(ISSUER, source="local", root="r"), Severity.WARNING),
        (record(STRICT), Severity.NOTICE),
        (record(FORGIVEN), Severity.WARNING),
        (record(FORGIVEN, source="local", root="r"), Severity.WARNING),
        (record(REMARK), Severity.NOTICE),
    ],
    ids=[
        "unknown root",
        "leaf alone",
        "some",
        "upload",
        "local key",
        "key of the own root",
        "strict",
        "forgiven",
        "forgiven local",
        "remark",
    ],
)
def test_a_warning_is_as_severe_as_what_clients_make_of_it(of: ChainRecord, severity: Severity):
    [finding] = found(of)
    assert finding.severity is severity
    assert (finding.kind, finding.subject, finding.title, finding.since) == (
        SubjectKind.UPLOAD if of.source == "uploaded" else SubjectKind.CHAIN,
        "1",
        "a.example",
        NOW,
    )


def test_its_sentence_says_who_refuses_and_what_to_do():
    causes = [each.problem.cause for each in found(record(UNKNOWN, CURVE, FORGIVEN))]
    assert causes == [
        'The issuer of "Issuer A" is not known here, so the chain may be incomplete.',
        "Its key is Ed25519, which browsers refuse.",
        "It has an extension that no client knows: every client would refuse it.",
    ]
    for of, fix in (
        (
            record(STAPLE),
            "Ask for a certificate without the TLS feature status_request (must-staple), from an issuer without it.",
        ),
        (record(ISSUER), "Ask for a chain in which every key is ECDSA P-256 or P-384, or RSA."),
        (
            record(ISSUER, source="local", root="r"),
            "Make or upload another root: chainwright root reissue, or chainwright root upload",
        ),
        (
            record(CURVE),
            "Ask the certificate authority for a chain that these clients accept, and upload it in place of this one.",
        ),
        (record(CURVE, source="local", root="r"), ""),
        (record(REMARK), ""),
    ):
        assert [each.problem.fix for each in found(of)] == [fix]
    assert "/etc/chainwright/trust/" in found(record(UNKNOWN))[0].problem.fix


@pytest.mark.parametrize("bound", [None, "2"])
def test_a_chain_that_is_not_in_use_is_no_finding(bound: str | None):
    assert found(record(CURVE), bound) == []
