"""A source that uses all that a source is given, with a toy CA in the directory `desk`; and files that need its chains.

The CA does what `ca.json` there says, and everything that happens is a line of `log` there.
"""

import json
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from agent.contract.context import Context
from agent.pki.account_key import thumbprint
from chainwright import (
    Chain,
    ChainFile,
    Due,
    HostFacts,
    KeyType,
    Module,
    Name,
    Need,
    Offer,
    OrderCancelled,
    OrderContext,
    Part,
    Request,
    RequestState,
    Source,
    SourceContext,
    SourceError,
    Text,
    Watch,
    hookimpl,
)
from support.cas import certificates as toy_ca

LOG = threading.Lock()


class Limited(SourceError):
    """The CA wants no more orders for a while."""

    code = "source.limited"
    counts = False


class Invalid(SourceError):
    """The CA could not validate some names."""

    code = "source.invalid"


class Desk:
    """The toy CA's end."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def rules(self) -> dict:
        place = self.path / "ca.json"
        return json.loads(place.read_text()) if place.exists() else {}

    def say(self, what: str, **more) -> None:
        with LOG, (self.path / "log").open("a") as log:
            log.write(json.dumps({"what": what, **more}) + "\n")

    def sign(self, names: list[str], now: datetime) -> Chain:
        root = toy_ca.Party(
            load_pem_private_key((self.path / "ca.key").read_bytes(), None),
            load_pem_x509_certificate((self.path / "ca.pem").read_bytes()),
        )
        urls = self.rules().get("crl", [])
        leaf = root.leaf(*names, now=now, days=self.rules().get("days", 90), extensions=toy_ca.crl_points(*urls))
        return Chain.build(leaf.key, [leaf.certificate], [root.certificate])


class Pool:
    """What all orders share."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._lock = threading.Lock()
        self._inside = 0
        desk.say("opened")

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            self.desk.say("entered", inside=self._inside)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        self.desk.say("closed")
        if self.desk.rules().get("close") == "fails":
            raise RuntimeError("it is stuck")


class Keen(Source):
    """A CA that answers at once."""

    name = "keen"
    uses_account_key = True
    watches = True
    concurrency = 2
    desk: str
    quick: bool = False

    def offers(self, request: Request, state: RequestState) -> Offer:
        return Offer(serves=True)

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no chain of keen yet")
        if state.watch is not None and state.watch.renew_at is not None:
            return Due(at=state.watch.renew_at, reason="its CA says so")
        return Due(at=state.chain.not_after - timedelta(days=30), reason="a third is left")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        desk = Desk(self.desk)
        pool = session.shared(lambda: Pool(desk))
        pool.enter()
        try:
            return self._obtain(request, session, desk)
        finally:
            pool.leave()

    def _obtain(self, request: Request, session: OrderContext, desk: Desk) -> Chain:
        names, rules = sorted(request.names), desk.rules()
        self._register(session, desk)
        session.ledger.note("order", names)
        desk.say(
            "ordered",
            names=names,
            attempts=session.attempts,
            forced=session.forced,
            replaced=session.replaced.id if session.replaced else None,
            saved=dict(session.saved),
            before=len(session.ledger.instants("order", names[0], session.now() - timedelta(days=1))),
            known=thumbprint(session.account_key()) == session.http01.thumbprint,
            root=str(session.rooted("/etc")),
        )
        session.save({"order": "order-1"})
        session.progress("ordered", f"for {names[0]}")
        self._wait(session, desk)
        self._refuse(request, session, rules)
        session.save({"order": "order-1", "valid": True})
        session.progress("valid")
        return desk.sign(names, session.now())

    def _register(self, session: OrderContext, desk: Desk) -> None:
        if not session.memory.read("account"):
            desk.say("registered")
            session.memory.write("account", {"url": "https://ca.example.test/1"})

    def _wait(self, session: OrderContext, desk: Desk) -> None:
        gate = desk.rules().get("gate")
        deadline = time.monotonic() + 60
        while gate and not Path(gate).exists() and time.monotonic() < deadline:
            session.wait(0.02)
            if session.cancelled:
                raise OrderCancelled(self.name)

    def _refuse(self, request: Request, session: OrderContext, rules: dict) -> None:
        retry_at = session.now() + timedelta(seconds=rules.get("retry", 3600))
        if rules.get("limited"):
            raise Limited("The CA wants no more orders.", where=self.name, retry_at=retry_at)
        if failed := request.names & set(rules.get("bad", ())):
            error = Invalid(f"{sorted(failed)[0]} does not answer.", where=self.name, retry_at=retry_at)
            error.failed, error.passed = frozenset(failed), frozenset(request.names - failed)
            raise error
        if rules.get("busy"):
            raise SourceError("The CA is busy.", where=self.name, retry_at=retry_at)

    def inquire(self, chain: Chain, watch: Watch | None, office: SourceContext) -> Watch | None:
        desk = Desk(self.desk)
        rule = desk.rules().get("inquiry", {})
        desk.say("inquired", chain=chain.id, before=watch.attempts if watch else None)
        while rule == "hangs" and not office.cancelled:
            office.wait(0.02)
        if rule == "fails":
            raise SourceError("The CA does not say.", where=self.name, retry_at=office.now())
        if rule == "done":
            return None
        now = office.now()
        renew_at = now + timedelta(days=rule["renew_in"]) if "renew_in" in rule else None
        next_at = now + timedelta(seconds=rule.get("again", 21600))
        window = (renew_at, renew_at + timedelta(days=1)) if renew_at else None
        return Watch(chain=chain.id, next_at=next_at, renew_at=renew_at, window=window, explanation=rule.get("why", ""))

    def revoke(self, chain: Chain, reason: str, office: SourceContext) -> None:
        desk = Desk(self.desk)
        if desk.rules().get("revocation") == "fails":
            raise SourceError("The CA does not revoke it.", where=self.name, retry_at=office.now())
        office.progress("revoking")
        account = office.memory.read("account")
        desk.say("revoked", chain=chain.id, reason=reason, account=account["url"])


class Files(Module):
    """Chains as files: names that fail get one of their own."""

    name = "keen_files"
    files = (ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    key_types = (KeyType.ECDSA_P256,)
    reload = ("true",)
    unprobed = "nobody serves them"
    names: tuple[Name, ...] = ()
    alone: tuple[Name, ...] = ()

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        failing = [name for name in self.names if name in host.failing]
        together = [name for name in self.names if name not in failing]
        if together:
            yield self.need(*together, slot="together")
        for name in (*failing, *self.alone):
            yield self.need(name, slot=name)

    def render_files(self, context: Context) -> Iterable[Text]:
        yield Text(path="thumbprint", text=f"{context.http01.thumbprint}\n")


@hookimpl
def register_sources() -> list[type[Source]]:
    return [Keen]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Files]
