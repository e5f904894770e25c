"""The audit record and the events of what an administrator changes, whoever asks for it."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from agent.auth import Accounts
from agent.auth.person import Actor
from agent.errors.operations import OnlyKeyLost
from agent.model.events import EventKind
from agent.operations.locked_state import locked_state
from agent.operations.peers import find_peer, revoke_peer, sign
from agent.operations.reissue import reissue, retry_failed
from agent.operations.root import reissue_root, upload_root
from agent.operations.uploads import delete_upload, store_upload
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from agent.pki.revocation import RevocationReason

ANN = Actor("ann (uid 1000, by sudo)", "command")


def changed(appliance, operation, *given, **options):
    with locked_state(appliance.engine(), actor=ANN) as state:
        return operation(state, *given, **options)


def rows(appliance):
    """Return action, subject and detail of what ann did from a command, the newest first."""
    with appliance.store() as store:
        found = Accounts(store).audits()
    assert {(row.who, row.address) for row in found} <= {(ANN.name, ANN.address)}
    return [(row.action, row.subject, row.detail) for row in found]


def root_of(appliance, subject="Shop CA"):
    now = appliance.clock()
    return Root.create(subject, "", now - timedelta(days=30), now - timedelta(days=30))


def bought(appliance, *names):
    return root_of(appliance).issue(names, KeyType.ECDSA_P256, Purpose.SERVER, appliance.clock(), timedelta(days=90))


def events(appliance, kind):
    with appliance.store() as store:
        return [event.text for event in store.journal.since() if event.kind is kind]


def test_an_upload_its_replacement_and_its_deletion(tunnel):
    first, second = (bought(tunnel, "t.example.test") for _ in range(2))
    changed(tunnel, store_upload, first)
    changed(tunnel, store_upload, second, replace=first.id)
    changed(tunnel, delete_upload, second.id, confirmed=True)
    assert rows(tunnel) == [
        ("chain deleted", "t.example.test", second.id),
        ("chain uploaded", "t.example.test", f"{second.id}, instead of {first.id}"),
        ("chain uploaded", "t.example.test", first.id),
    ]
    assert events(tunnel, EventKind.CHAIN_DELETED) == [f"{second.id[:12]} was deleted, with its key"]
    (stored, _) = events(tunnel, EventKind.CHAIN_UPLOADED)
    assert stored.startswith(f"stored as {first.id[:12]}, good until ")


def test_the_only_copy_of_a_key_is_not_deleted_without_confirmation(tunnel):
    chain = bought(tunnel, "www.elsewhere.test")
    tunnel.change(store_upload, chain, keep_unused=True)
    with pytest.raises(OnlyKeyLost) as caught:
        changed(tunnel, delete_upload, chain.id, confirmed=False)
    short = chain.id[:12]
    cause, fix = caught.value.problem.lines()
    assert cause == (
        f"chain {short}: No module uses the chain for www.elsewhere.test; its key would be gone with it, and nothing was "
        "deleted."
    )
    assert fix == f"Delete it with --yes. To keep a copy: chainwright export {short} --with-key --out FILE"
    assert rows(tunnel) == []
    with tunnel.store() as store:
        assert store.chains.load(chain.id) is not None


def test_reissues_and_new_tries(tunnel):
    changed(tunnel, reissue, ["t.example.test"], force=True)
    changed(tunnel, reissue)
    changed(tunnel, retry_failed)
    assert rows(tunnel) == [
        ("renew", "everything", ""),
        ("reissue", "everything", ""),
        ("reissue", "t.example.test", "forced"),
    ]


def test_roots(tunnel):
    company = root_of(tunnel, "Company CA")
    made = changed(tunnel, reissue_root)
    changed(tunnel, upload_root, company)
    assert rows(tunnel) == [
        ("root replaced", "Company CA", company.sha256),
        ("root reissued", made.subject, made.sha256),
    ]
    assert [text.partition(",")[0] for text in events(tunnel, EventKind.ROOT_CREATED)][1:] == [
        made.subject,
        "Company CA",
    ]


def test_signatures_and_their_revocation(tunnel):
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    peer = sign(
        tunnel.layout,
        csr.public_bytes(Encoding.PEM),
        ["branch.example.test"],
        module="tunnel",
        label="branch",
        now=tunnel.clock(),
        actor=ANN,
    )
    serial = f"{peer.leaf.serial_number:x}"
    with locked_state(tunnel.engine(), actor=ANN) as state:
        revoke_peer(state, find_peer(state.store, serial), RevocationReason.SUPERSEDED)
    assert rows(tunnel) == [
        ("revoke", "tunnel/branch", f"{serial}, superseded"),
        ("peer signed", "tunnel/branch", serial),
    ]
    (signed,) = events(tunnel, EventKind.PEER_SIGNED)
    assert signed.startswith("tunnel/branch was signed for branch.example.test, until ")


def test_what_the_agent_does_itself_is_no_row(tunnel):
    tunnel.change(reissue)
    assert rows(tunnel) == []
