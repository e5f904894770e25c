"""Which CA certificates charon is given, where cross-certificates are among them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from plugins.ikev2.configuration import Configuration
from plugins.ikev2.cross_certificates import arrange
from plugins.ikev2.load import Loading
from plugins.ikev2.loaded import Loaded

NOW = datetime.now(UTC)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new", "stranger")}


def certified(subject: str, issuer: str, key: str = "") -> bytes:
    name, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer))
    builder = x509.CertificateBuilder(by, name, KEYS[key or subject].public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    return builder.sign(KEYS[issuer], hashes.SHA256()).public_bytes(Encoding.DER)


def sha256(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex()


OLD, NEW = certified("old", "old"), certified("new", "new")
NEW_BY_OLD, OLD_BY_NEW = certified("new", "old"), certified("old", "new")


def test_a_cross_certificate_comes_apart_from_the_others_with_the_root_that_it_leads_to():
    found = arrange({"cross": NEW_BY_OLD, "new": NEW, "old": OLD}, {NEW, OLD})
    assert found.authorities == {"new": NEW, "old": OLD}
    (cross,) = found.crosses
    assert cross.der == NEW_BY_OLD
    (issuer,) = found.issuers.values()
    assert issuer == sha256(OLD)


def test_one_that_would_hide_a_believed_root_behind_one_that_is_not_there_is_left_out():
    found = arrange({"cross": NEW_BY_OLD, "new": NEW}, {NEW})
    assert (found.authorities, found.crosses) == ({"new": NEW}, ())


def test_where_no_peer_is_taken_by_that_root_it_is_sent_though_its_issuer_is_not_there():
    found = arrange({"cross": NEW_BY_OLD, "new": NEW}, ())
    assert [each.der for each in found.crosses] == [NEW_BY_OLD]


def test_of_two_that_lead_to_each_other_one_is_taken():
    found = arrange({"1": NEW_BY_OLD, "2": OLD_BY_NEW, "new": NEW, "old": OLD}, {NEW, OLD})
    assert [each.der for each in found.crosses] == [NEW_BY_OLD]


def test_an_intermediate_without_a_root_of_its_name_and_key_is_none():
    other = certified("new", "old", key="stranger")
    found = arrange({"intermediate": other, "new": NEW, "old": OLD}, {NEW, OLD})
    assert (found.crosses, found.authorities["intermediate"]) == ((), other)


class Recording:
    """A charon that takes everything, and remembers in which order."""

    def __init__(self) -> None:
        self.given: list[bytes | str] = []

    def load_cert(self, message: dict[str, Any]) -> None:
        self.given.append(message["data"])

    def load_authority(self, message: dict[str, Any]) -> None:
        self.given += [each["cacert"] for each in message.values()]

    def load_conn(self, message: dict[str, Any]) -> None:
        self.given += message

    def get_authorities(self) -> dict[str, list[bytes]]:
        return {"authorities": []}


@pytest.mark.parametrize("known", [False, True], ids=["first", "known"])
@pytest.mark.parametrize("order", [sorted, lambda names: sorted(names, reverse=True)], ids=["a-z", "z-a"])
def test_a_cross_certificate_is_loaded_after_the_root_of_its_name_and_key(order: Callable[..., list[str]], known: bool):
    """charon takes what was loaded last; where peers aren't taken by the other root yet, connections come before it."""
    files = {"a-cross": NEW_BY_OLD, "m-old": OLD, "z-new": NEW}
    configuration = Configuration(
        authorities={name: files[name] for name in order(files)},
        connections={"road": {"remote": {"cacerts": [NEW, OLD]}}},
        anchors={OLD, NEW},
    )
    charon = Recording()
    Loading(charon, configuration, Loaded(anchors=[sha256(OLD)] if known else [])).add()
    assert set(charon.given[:2]) == {OLD, NEW}
    assert charon.given[2:] == ([NEW_BY_OLD, "road"] if known else ["road", NEW_BY_OLD])
