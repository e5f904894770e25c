"""A head office and a branch, each with an agent, a root and a charon of its own, in two network namespaces."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from support.appliances.ikev2_network import Conversation, Site, SiteAppliance, cable, echoing
from support.cas.signing_requests import request_for
from support.waiting import until

pytestmark = pytest.mark.root

HEAD, NORTH = "hq.example.test", "north.example.test"
OFFICE_NET, BRANCH_NET = ["10.77.0.0/24"], ["10.78.0.0/24"]
TO_NORTH = {"name": "north", "peer": NORTH, "local_ts": OFFICE_NET, "remote_ts": BRANCH_NET}
TO_HEAD = {
    "name": "head",
    "peer": HEAD,
    "address": "10.99.0.1",
    "issued": NORTH,
    "local_ts": BRANCH_NET,
    "remote_ts": OFFICE_NET,
    "start": True,
}


@dataclass
class Pair:
    """Both sides."""

    office: SiteAppliance
    branch: SiteAppliance
    key: bytes

    @property
    def sites(self) -> tuple[Site, Site]:
        return self.office.site, self.branch.site

    def take_home(self) -> None:
        """Bring what the head office has for the branch to the branch: the documented steps."""
        pem, key = self.branch.root / "north.pem", self.branch.root / "north.key"
        self.office.command("ikev2", "export", "north", "--out", str(pem))
        key.write_bytes(self.key)
        self.branch.command("upload", str(pem), "--key", str(key))
        self.branch.deploy()

    def up(self) -> bool:
        """Whether both sides have the tunnel."""
        return all(self._sas(side, name) for side, name in ((self.office, "north"), (self.branch, "head")))

    def _sas(self, side: SiteAppliance, name: str) -> bool:
        with side.charon() as charon:
            return any(sa[name]["child-sas"] for sa in charon.list_sas({"ike": name}))

    def hang_up(self) -> None:
        with self.branch.charon() as charon:
            list(charon.terminate({"ike": "head", "timeout": "10000"}))
        until(lambda: not self._sas(self.office, "north"), what="the office has no tunnel any more")

    def dial(self) -> str:
        """Begin from the branch, and wait for the end of it; return what its charon says."""
        with self.branch.charon() as charon:
            try:
                list(charon.initiate({"ike": "head", "child": "sites", "timeout": "15000"}))
            except Exception as error:
                return f"{error} {(self.branch.layout.log / 'charon.log').read_text()[-4000:]}"
        return ""


@pytest.fixture
def pair() -> Iterator[Pair]:
    """They are connected."""
    with ExitStack() as stack:
        left, right = stack.enter_context(cable())
        office = stack.enter_context(SiteAppliance.make(site=left, domain=HEAD))
        branch = stack.enter_context(SiteAppliance.make(site=right, domain=NORTH))
        office.configure(connections=[], users=[], branches=[TO_NORTH])
        branch.configure(connections=[], users=[], branches=[TO_HEAD])
        office.deploy()
        key, csr = request_for(NORTH)
        (office.root / "north.csr").write_bytes(csr)
        office.command("ikev2", "sign", "north", str(office.root / "north.csr"), "--name", NORTH)
        made = Pair(office, branch, key)
        branch.command("apply", code=3)
        made.take_home()
        until(made.up, what="the branch has begun the connection")
        yield made


def test_the_branch_begins_the_connection_as_soon_as_it_has_its_certificate(pair):
    with echoing(pair.office.site), Conversation.to(pair.branch.site, pair.office.site.inner) as talk:
        assert talk.goes_on("hello")


def test_another_root_stops_the_connection_that_it_named_and_the_documented_steps_bring_it_back(pair):
    said = pair.office.command("root", "reissue", "--dry-run")
    assert "The connection north with north.example.test goes on." in said
    assert "stops" not in said
    said = pair.office.command("root", "reissue", "--now", "--dry-run")
    assert "The connection north with north.example.test stops until its peer has the new root" in said
    assert "It is up now (north.example.test at 10.99.0.2)" in said
    pair.office.command("root", "reissue", "--now", "--yes-reissue-root")
    pair.office.deploy()
    assert pair.up()
    pair.hang_up()
    assert "AUTH" in pair.dial()
    pair.take_home()
    until(pair.up, what="the connection is back")

    pair.office.command("root", "reissue", "--yes-reissue-root")
    pair.office.deploy()
    pair.take_home()
    with pair.office.store() as store, store.write():
        store.database.execute("update cross_certificates set obstacle = 'the branch has to know the root itself'")
    pair.office.command("root", "begin", "--yes-begin-signing")
    pair.office.deploy()
    pair.hang_up()
    assert pair.dial() == "", "the branch was given the next root with its certificate of the one before"


def test_a_branch_whose_certificate_is_revoked_is_refused(pair):
    assert pair.office.command("ikev2", "list").split()[:3] == ["north", NORTH, "good"]
    pair.office.command("ikev2", "revoke", "north")
    pair.office.deploy()
    pair.hang_up()
    assert "AUTH_FAILED" in pair.dial()
    assert "revoked" in pair.office.command("ikev2", "show", "north")


def test_a_new_chain_of_the_head_office_leaves_the_connection_up(pair):
    with echoing(pair.office.site), Conversation.to(pair.branch.site, pair.office.site.inner) as talk:
        assert talk.goes_on("before")
        pair.office.command("reissue", HEAD)
        pair.office.deploy()
        assert talk.goes_on("after")
    pair.hang_up()
    assert pair.dial() == ""
