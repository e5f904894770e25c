"""The head office's root is succeeded while branches dial in that know the old root alone, the new one alone, or both."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.model.root import RootPhase
from agent.store.instants import written
from support.appliances.ikev2_network import Client, SiteAppliance, cable
from support.cas.signing_requests import request_for
from support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]

HEAD, NORTH = "hq.example.test", "north.example.test"
BRANCH = {"name": "north", "peer": NORTH, "local_ts": ["10.77.0.0/24"], "remote_ts": ["10.78.0.0/24"]}
ROUNDS = 5
"""How often each branch dials after each step."""


@dataclass(frozen=True)
class Knowledge:
    """What a branch has: its certificate, and roots that it trusts."""

    leaf: bytes
    roots: tuple[bytes, ...]


@dataclass
class Branch:
    """A branch's charon that has now this knowledge, now that one."""

    office: SiteAppliance
    client: Client
    key: bytes
    tried: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def fetched(self) -> Knowledge:
        """Return what the documented command gives."""
        path = self.office.root / "north.pem"
        self.office.command("ikev2", "export", "north", "--out", str(path))
        leaf, *others = x509.load_pem_x509_certificates(path.read_bytes())
        roots = [each for each in others if each.issuer == each.subject]
        return Knowledge(_der(leaf), tuple(map(_der, roots)))

    def root(self, phase: RootPhase) -> bytes:
        with self.office.store() as store:
            (pem,) = (each.certificates for each in store.roots.all() if each.phase is phase)
        return _der(x509.load_pem_x509_certificate(pem.encode()))

    def learn(self, knowledge: Knowledge) -> None:
        with self.client.charon() as charon:
            charon.clear_creds()
            charon.load_key({"type": "any", "data": self.key})
        for each in knowledge.roots:
            self.client.trust(each)
        local = {"auth": "pubkey", "certs": [knowledge.leaf], "id": NORTH}
        self.client.load("head", local, {"id": HEAD}, vips=(), local_ts=("10.78.0.0/24",))

    def dial(self, name: str, knowledge: Knowledge) -> bool:
        """Begin a tunnel, and note whether it is refused."""
        self.learn(knowledge)
        self.tried[name] += 1
        if not self.client.dial("head"):
            self.refused.append(f"{name}: {self.client.log()[-3000:]}")
            return False
        return True

    def dial_and_end(self, name: str, knowledge: Knowledge) -> None:
        if self.dial(name, knowledge):
            self.client.hang_up("head")

    def dial_all(self, **known: Knowledge) -> None:
        for name, knowledge in known.items():
            for _ in range(ROUNDS):
                self.dial_and_end(name, knowledge)
        assert self.refused == []

    def deploy_meanwhile(self, name: str, knowledge: Knowledge) -> None:
        """Have the agent do what is due while the branch dials again and again."""
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(self.office.deploy)
            while not done.done():
                self.dial_and_end(f"{name} meanwhile", knowledge)
            done.result()
        assert self.refused == []

    def rekey_and_end(self) -> None:
        """Have an established tunnel, as it is after a step, agree on new keys, and end it."""
        (before,) = self.up()
        with self.client.charon() as charon:
            charon.rekey({"ike": "head"})
        until(lambda: len(found := self.up()) == 1 and before not in found, what="the tunnel has new keys")
        self.client.hang_up("head")
        until(lambda: not self.up(), what="the tunnel has ended")

    def phases(self) -> list[RootPhase]:
        with self.office.store() as store:
            return [each.phase for each in store.roots.all()]

    def everything_of_the_root_before_ends(self) -> None:
        """Have the store say what it says once that root's last certificate has ended."""
        now = datetime.now(UTC)
        with self.office.store() as store, store.write():
            (before,) = (each.sha256 for each in store.roots.all() if each.phase is RootPhase.REPLACED)
            replaced = [written(now - timedelta(days=2)), before]
            store.database.execute("update roots set replaced_at = ? where sha256 = ?", replaced)
            store.database.execute("update peers set not_after = ? where root = ?", [written(now), before])

    def up(self) -> list[bytes]:
        """Return the numbers of the branch's tunnels."""
        with self.client.charon() as charon:
            return [sa["head"]["uniqueid"] for sa in charon.list_sas({"ike": "head"})]


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture
def branch() -> Iterator[Branch]:
    with (
        cable() as (left, right),
        SiteAppliance.make(site=left, domain=HEAD) as office,
        Client.make(right) as client,
    ):
        office.configure(connections=[], users=[], branches=[BRANCH])
        office.deploy()
        key, csr = request_for(NORTH)
        (office.root / "north.csr").write_bytes(csr)
        office.command("ikev2", "sign", "north", str(office.root / "north.csr"), "--name", NORTH)
        yield Branch(office, client, key)


def test_no_branch_is_refused_whichever_root_it_knows_and_tunnels_that_are_up_stay(branch):
    office = branch.office
    before = branch.fetched()
    branch.dial_all(before=before)

    office.command("root", "reissue", "--yes-reissue-root")
    branch.deploy_meanwhile("before", before)
    both, new = branch.fetched(), Knowledge(before.leaf, (branch.root(RootPhase.PREPARED),))
    assert (both.leaf, len(both.roots)) == (before.leaf, 2)
    branch.dial_all(late=before, both=both, only_new=new)

    office.command("root", "begin", "--yes-begin-signing")
    branch.deploy_meanwhile("late", before)
    renewed = branch.fetched()
    assert renewed.leaf != before.leaf
    assert len(renewed.roots) == 2
    only_new = Knowledge(renewed.leaf, new.roots)
    branch.dial_all(late=before, both=both, only_new=new, renewed=renewed, renewed_only_new=only_new)
    assert "the branch may still have one of an earlier root" in office.command("ikev2", "list")

    assert branch.dial("established", before)
    office.command("reissue", HEAD)
    branch.office.deploy()
    branch.rekey_and_end()
    assert branch.dial("established", renewed)
    branch.everything_of_the_root_before_ends()
    office.command("clock", "accept")
    office.deploy()
    assert branch.phases() == [RootPhase.SIGNING, RootPhase.RETIRED], "nothing that it has signed is left"
    branch.rekey_and_end()
    branch.dial_all(renewed=renewed, renewed_only_new=only_new)
    office.kill()
    office.start_charon()
    until(office.leaves_with_keys, what="charon has loaded everything")
    branch.dial_all(renewed=renewed, renewed_only_new=only_new)
    branch.learn(before)
    assert not branch.client.dial("head"), "what the retired root has signed is refused"
    print(branch.tried.total(), dict(branch.tried))
