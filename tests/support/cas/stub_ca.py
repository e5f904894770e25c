"""A little ACME CA of the tests' own, for what no real one does at a test's wish: it answers as it is told to.

`StubCa` speaks enough of RFC 8555 to issue a chain, and checks nonces, URLs and signatures like any CA. A test scripts what
goes otherwise: ``ca.script("newOrder", Reply(503, headers={"Retry-After": "5"}))`` answers the next request for that resource
so, and the one after it is a normal one again. Names of resources are those of the directory, and ``directory account order
authorization challenge finalize certificate alternate``.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from typing import Any

from acme.jws import JWS
from cryptography import x509
from josepy.b64 import b64decode, b64encode
from josepy.errors import Error as JoseError
from josepy.jwk import JWK

from support.cas import certificates as toy_ca
from support.cas.stub_server import Reply, StubServer

FRAGILE_FOR = 0.003
"""Seconds that a fragile CA works on a request."""


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    resource: str
    method: str
    payload: Any
    """JSON; None: none."""
    kid: str
    headers: Mapping[str, str]


class Refusal(Exception):
    def __init__(self, status: int, problem: str, detail: str) -> None:
        self.reply = Reply(status, problem, detail)


@dataclass
class StubOrder:
    names: list[str]
    status: str = "pending"
    leaf: x509.Certificate | None = None
    wishes: dict[str, Any] = field(default_factory=dict)


class StubCa:
    """One CA. Its clock, nonces, validation and delays are a test's to turn."""

    def __init__(self, tls: SSLContext | None = None) -> None:
        self.meta: dict[str, Any] = {"termsOfService": "https://ca.example/terms"}
        self.without: set[str] = set()
        """Resources that its directory doesn't name."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.reject: Callable[[], bool] = lambda: False
        """Whether a good nonce is rejected."""
        self.verdict: dict[str, Any] | None = None
        """Problem of each validation; None: it's a success."""
        self.fragile = False
        """It fails when it's asked something while it does something else, as smallstep's CAs may."""
        self.busy_polls = 0
        """How often an order is still ``processing`` when it's looked at after it was finalized."""
        self.expires: timedelta | None = timedelta(days=1)
        """How far ahead the end of each order always is; None: it isn't said."""
        self.seen: list[Seen] = []
        self.accounts: dict[str, JWK] = {}
        self.contacts: dict[str, list[str]] = {}
        self.orders: dict[str, StubOrder] = {}
        self.revoked: set[int] = set()
        self.most_at_once = 0
        self.root = toy_ca.root("Stub Root", now=datetime.now(UTC))
        self.issuer = self.root
        """Who signs; a test may let it be an authority below the root."""
        self.leaf_options: dict[str, Any] = {}
        """For `certificates.issue`, beside what the order says."""
        self.deliver: Callable[[x509.Certificate], Sequence[x509.Certificate]] = lambda leaf: (
            leaf,
            self.root.certificate,
        )
        """What is downloaded for a leaf."""
        self.deliver_alternate: Callable[[x509.Certificate], Sequence[x509.Certificate]] = lambda leaf: (leaf,)
        self._scripts: dict[str, deque[Reply]] = defaultdict(deque)
        self._nonces: set[str] = set()
        self._at_once = 0
        self._polls: dict[str, int] = defaultdict(int)
        self._lock = threading.RLock()
        self.server = StubServer(self.respond, self.now, tls)

    # What a test does

    @property
    def url(self) -> str:
        return f"{self.server.scheme}://127.0.0.1:{self.server.port}"

    @property
    def directory_url(self) -> str:
        return f"{self.url}/directory"

    def script(self, resource: str, *replies: Reply) -> None:
        self._scripts[resource] += replies

    def requests(self, resource: str = "") -> list[Seen]:
        return [each for each in self.seen if resource in {"", each.resource}]

    def forget_nonces(self) -> None:
        self._nonces.clear()

    def restart(self) -> None:
        """Break all connections; what it knows stays."""
        self.server.stop()
        self.server.start()

    def close(self) -> None:
        self.server.stop()

    # What it does

    def now(self) -> datetime:
        return self.clock()

    def directory(self) -> dict[str, Any]:
        names = {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"} - self.without
        return {**{name: f"{self.url}/{name}" for name in sorted(names)}, "meta": self.meta}

    def nonce(self) -> str:
        made = secrets.token_urlsafe(12)
        self._nonces.add(made)
        return made

    def carry_out(self, resource: str, thing: str, payload: Any, key: JWK, account: str) -> Reply:
        """Do what a POST asks for, and answer."""
        return getattr(self, f"_{resource}")(thing, payload, key, account)

    def _newAccount(self, _thing: str, payload: Any, key: JWK, _account: str) -> Reply:  # noqa: N802
        known = next((url for url, each in self.accounts.items() if each == key), "")
        if not known and payload.get("onlyReturnExisting"):
            raise Refusal(400, "accountDoesNotExist", "unknown key")
        status = 200 if known else 201
        url = known or f"{self.url}/account/{len(self.accounts) + 1}"
        self.accounts[url] = key
        self.contacts.setdefault(url, payload.get("contact", []))
        return Reply(status, headers={"Location": url}, body={"status": "valid", "contact": self.contacts[url]})

    def _account(self, _thing: str, payload: Any, _key: JWK, account: str) -> Reply:
        self.contacts[account] = payload.get("contact", self.contacts[account])
        if payload.get("status") == "deactivated":
            del self.accounts[account]
        return Reply(body={"status": payload.get("status", "valid"), "contact": self.contacts[account]})

    def _keyChange(self, _thing: str, payload: Any, key: JWK, account: str) -> Reply:  # noqa: N802
        inner = JWS.from_json(payload)
        said = json.loads(inner.payload)
        assert inner.verify()
        assert (said["account"], JWK.from_json(said["oldKey"])) == (account, key)
        self.accounts[account] = inner.signature.combined.jwk
        return Reply()

    def _newOrder(self, _thing: str, payload: Any, _key: JWK, _account: str) -> Reply:  # noqa: N802
        number = str(len(self.orders) + 1)
        self.orders[number] = StubOrder([each["value"] for each in payload["identifiers"]], wishes=payload)
        headers = {"Location": f"{self.url}/order/{number}"}
        return Reply(201, headers=headers, body=self._order_json(number, self.orders[number]))

    def _order(self, number: str, _payload: Any, _key: JWK, _account: str) -> Reply:
        order = self._order_of(number)
        if order.status == "processing":
            self._polls[number] += 1
            if self._polls[number] > self.busy_polls:
                order.status = "valid"
        return Reply(body=self._order_json(number, order))

    def _order_json(self, number: str, order: StubOrder) -> dict[str, Any]:
        body: dict[str, Any] = {
            "status": order.status,
            "identifiers": [{"type": "dns", "value": name} for name in order.names],
            "authorizations": [f"{self.url}/authorization/{number}.{each}" for each in range(len(order.names))],
            "finalize": f"{self.url}/finalize/{number}",
        }
        if self.expires is not None:
            body["expires"] = (self.clock() + self.expires).isoformat()
        if order.status == "valid":
            body["certificate"] = f"{self.url}/certificate/{number}"
        return body

    def _authorization(self, thing: str, payload: Any, _key: JWK, _account: str) -> Reply:
        number, _, index = thing.partition(".")
        order = self._order_of(number)
        challenge: dict[str, Any] = {
            "type": "http-01",
            "url": f"{self.url}/challenge/{thing}",
            "token": f"token-{thing}".replace(".", "-").ljust(24, "x"),
        }
        challenge["status"] = "pending" if order.status == "pending" else "valid"
        if order.status == "invalid":
            challenge |= {"status": "invalid", "error": self.verdict}
        status = (payload or {}).get("status", challenge["status"])
        identifier = {"type": "dns", "value": order.names[int(index)]}
        return Reply(body={"status": status, "identifier": identifier, "challenges": [challenge]})

    def _challenge(self, thing: str, payload: Any, key: JWK, account: str) -> Reply:
        order = self._order_of(thing.partition(".")[0])
        if payload is not None and order.status != "pending":
            raise Refusal(400, "malformed", f"the authorization is {order.status}")
        if payload is not None:
            order.status = "invalid" if self.verdict else "ready"
        return Reply(body=json.loads(self._authorization(thing, None, key, account).content())["challenges"][0])

    def _finalize(self, number: str, payload: Any, _key: JWK, _account: str) -> Reply:
        order = self._order_of(number)
        if order.status != "ready":
            raise Refusal(403, "orderNotReady", f"the order is {order.status}")
        request = x509.load_der_x509_csr(b64decode(payload["csr"]))
        subject = request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        options = {
            "cn": subject[0].value if subject else None,
            "names": tuple(order.names),
            "key": request,
            "now": datetime.now(UTC),
            **self.leaf_options,
        }
        order.leaf = toy_ca.issue(issuer=self.issuer, **options).certificate
        order.status = "processing"
        return Reply(body=self._order_json(number, order))

    def _certificate(self, number: str, _payload: Any, _key: JWK, _account: str) -> Reply:
        link = f'<{self.url}/alternate/{number}>;rel="alternate", <{self.directory_url}>;rel="index"'
        headers = {"Link": link, "Content-Type": "application/pem-certificate-chain"}
        return Reply(headers=headers, body=toy_ca.pem(*self.deliver(self._leaf(number))))

    def _alternate(self, number: str, _payload: Any, _key: JWK, _account: str) -> Reply:
        return Reply(body=toy_ca.pem(*self.deliver_alternate(self._leaf(number))))

    def _leaf(self, number: str) -> x509.Certificate:
        leaf = self._order_of(number).leaf
        assert leaf is not None
        return leaf

    def _revokeCert(self, _thing: str, payload: Any, _key: JWK, _account: str) -> Reply:  # noqa: N802
        serial = x509.load_der_x509_certificate(b64decode(payload["certificate"])).serial_number
        if serial in self.revoked:
            raise Refusal(400, "alreadyRevoked", "it is revoked already")
        self.revoked.add(serial)
        return Reply()

    def _order_of(self, number: str) -> StubOrder:
        if number not in self.orders:
            raise Refusal(404, "malformed", "no such order")
        return self.orders[number]

    # HTTP

    def respond(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Return what is answered to one request."""
        resource, _, thing = path.lstrip("/").partition("/")
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            scripted = self._scripts[resource].popleft() if self._scripts[resource] else None
            if self.fragile and self._at_once > 1:
                scripted = Reply(500, "serverInternal", "conflict")
        try:
            if self.fragile:
                threading.Event().wait(FRAGILE_FOR)
            if scripted and scripted.before:
                scripted.before()
            with self._lock:
                usual = self._usual(method, resource, thing, headers, content, do=not scripted or scripted.carried_out)
        finally:
            with self._lock:
                self._at_once -= 1
        answer = scripted or usual
        if resource != "directory":
            return replace(answer, headers={"Replay-Nonce": self.nonce(), **answer.headers})
        return answer

    def _usual(
        self, method: str, resource: str, thing: str, headers: Mapping[str, str], content: bytes, *, do: bool
    ) -> Reply:
        if method != "POST":
            self.seen.append(Seen(resource, method, None, "", headers))
            bodies = {"directory": self.directory(), "renewalInfo": self._renewal_info()}
            return Reply(body=bodies.get(resource, b""))
        message = JWS.json_loads(content.decode())
        said = message.signature.combined
        payload = json.loads(message.payload) if message.payload else None
        self.seen.append(Seen(resource, method, payload, said.kid or "", headers))
        try:
            key = self._signer(message, f"{self.url}/{resource}{'/' if thing else ''}{thing}")
            return self.carry_out(resource, thing, payload, key, said.kid or "") if do else Reply()
        except Refusal as refusal:
            return refusal.reply

    def _signer(self, message: JWS, url: str) -> JWK:
        said = message.signature.combined
        nonce = b64encode(said.nonce).decode()
        if nonce not in self._nonces or self.reject():
            self._nonces.discard(nonce)
            raise Refusal(400, "badNonce", "this nonce is no good")
        self._nonces.discard(nonce)
        assert said.url == url
        if said.kid and said.kid not in self.accounts:
            raise Refusal(400, "accountDoesNotExist", f"there is no account {said.kid}")
        key = self.accounts[said.kid] if said.kid else said.jwk
        if not _verifies(message, key):
            raise Refusal(403, "unauthorized", "the signature does not verify")
        return key

    def _renewal_info(self) -> dict[str, Any]:
        now = self.clock()
        return {"suggestedWindow": {"start": now.isoformat(), "end": (now + timedelta(days=2)).isoformat()}}


def _verifies(message: JWS, key: JWK) -> bool:
    try:
        return bool(message.verify(key))
    except JoseError:
        return False
