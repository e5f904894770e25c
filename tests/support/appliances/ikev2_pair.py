"""A head office and a branch, each with an agent, a root and a charon of its own, in two network namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from support.appliances.ikev2_network import Site, SiteAppliance, cable
from support.cas.signing_requests import request_for
from support.waiting import until

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


@contextmanager
def connected() -> Iterator[Pair]:
    """Give both, with the tunnel up."""
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
