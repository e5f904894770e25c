"""One account key at one CA: its directory, who signs, and each request with its quick tries."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.pki.account_key import thumbprint
from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.network import Message, Network
from agent.sources.acme.pace import Pace
from agent.sources.acme.parsing import directory_of
from agent.sources.acme.resources import Account, Directory
from agent.sources.acme.response import Response
from agent.sources.acme.retries import asking
from agent.sources.acme.signing import Signer

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey

DIRECTORY_KEPT = timedelta(days=1).total_seconds()
FAILURE_KEPT = 5.0
"""Seconds for which all that wait for the directory share one failure to fetch it."""


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Patience:
    """How somebody who asks waits, and whether he still wants to."""

    wait: Callable[[float], None] = time.sleep
    cancelled: Callable[[], bool] = lambda: False


class Connection:
    """What all requests of one account share. Any thread may use it; `close` it at the end."""

    def __init__(
        self,
        url: str,
        key: PrivateKey,
        *,
        trust: Path | None = None,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        """Of the directory."""
        self.pace = Pace(monotonic)
        self.account_lock = threading.RLock()
        """Held while the account is found, made or changed."""
        self.network = Network(url, trust=trust, pace=self.pace, now=now, monotonic=monotonic)
        self._monotonic = monotonic
        self.signer = Signer.of(key)
        self.thumbprint = thumbprint(key)
        self._account: Account | None = None
        self._directory_lock = threading.Lock()
        self._directory: Directory | None = None
        self._failure: CaUnreachable | CaProblem | None = None
        self._looked_at = 0.0

    def close(self) -> None:
        """Close the connections."""
        self.network.session.close()

    # Who asks

    @property
    def account(self) -> Account | None:
        """The account that requests are signed for; None: none is known yet."""
        return self._account

    @account.setter
    def account(self, account: Account | None) -> None:
        self._account = account
        self.signer = self.signer.known_as(account.url if account else "")

    def use(self, key: PrivateKey, patience: Patience) -> None:
        """Sign with another key, by which the CA knows the account already."""
        with self.pace.alone(patience.cancelled):
            self._known_by(key)

    def change_key(self, new: PrivateKey, patience: Patience) -> None:
        """Have the account known by another key (RFC 8555 section 7.3.5), and sign with that from now on."""
        url, new_nonce = self.url_of("keyChange", patience), self.url_of("newNonce", patience)
        inner = octets({"account": self.signer.account, "oldKey": self.signer.public})
        signed = Signer.of(new).sign(inner, url=url, nonce=None)
        with self.pace.alone(patience.cancelled), _named("keyChange"):
            self.network.post(url, Message(self.signer, signed), new_nonce)
            self._known_by(new)

    def _known_by(self, key: PrivateKey) -> None:
        self.signer = Signer.of(key, self.signer.account)
        self.thumbprint = thumbprint(key)

    # Where

    def directory(self, patience: Patience) -> Directory:
        """Return the CA's directory, fetched once a day."""
        with self._directory_lock:
            age = self._monotonic() - self._looked_at
            if self._failure and age < FAILURE_KEPT:
                raise self._failure
            if self._directory is None or age > DIRECTORY_KEPT:
                self._directory = self._fetch_directory(patience)
            return self._directory

    def url_of(self, resource: str, patience: Patience) -> str:
        """Return the URL of one of the directory's resources. Raises `CaUnreachable`."""
        if url := self.directory(patience).urls.get(resource):
            return url
        raise CaUnreachable(f"its directory names no {resource}", url=self.url)

    def _fetch_directory(self, patience: Patience) -> Directory:
        self._failure = None
        try:
            return directory_of(self.get(self.url, patience, resource="directory"), self.url)
        except (CaProblem, CaUnreachable) as failure:
            self._failure = _not_a_directory(failure)
            raise self._failure from failure
        finally:
            self._looked_at = self._monotonic()

    # What

    def get(self, url: str, patience: Patience, *, resource: str) -> Response:
        """Read what anybody may."""

        def once() -> Response:
            with self.pace.slot(patience.cancelled):
                return self.network.answer(self.network.get(url))

        with _named(resource):
            return asking(once, wait=patience.wait)

    def post(
        self,
        url: str,
        payload: Mapping[str, Any] | None,
        patience: Patience,
        *,
        resource: str = "",
        resend: int,
        signer: Callable[[], Signer],
        accept: str = "*/*",
    ) -> Response:
        """Post `payload`, None to read (POST-as-GET). `signer` is asked when it's its turn: the key may change before."""
        new_nonce = self.url_of("newNonce", patience)
        content = b"" if payload is None else octets(payload)

        def once() -> Response:
            with self.pace.slot(patience.cancelled):
                message = Message(signer(), content)
                with _signed_for(message.signer.account):
                    return self.network.answer(self.network.post(url, message, new_nonce, headers={"Accept": accept}))

        with _named(resource):
            return asking(once, wait=patience.wait, resend=resend)


@contextmanager
def _named(resource: str) -> Iterator[None]:
    """Let a refusal say which of the directory's resources it is about."""
    try:
        yield
    except CaProblem as refusal:
        refusal.resource = resource
        raise


@contextmanager
def _signed_for(account: str) -> Iterator[None]:
    """Let a refusal say which account it is about."""
    try:
        yield
    except CaProblem as refusal:
        refusal.account = account
        raise


def _not_a_directory(failure: CaProblem | CaUnreachable) -> CaProblem | CaUnreachable:
    """Return the failure to fetch a directory; a web page or an error 404 there means that its address is wrong."""
    status = failure.problem.status if isinstance(failure, CaProblem) else failure.status
    if status is None or status >= 500 or status == 429:
        return failure
    cause = failure.cause if isinstance(failure, CaUnreachable) else f"it answers with HTTP status {status}"
    return CaUnreachable(cause, url=failure.url, trouble=Trouble.NO_DIRECTORY, status=status)


def octets(payload: Mapping[str, Any]) -> bytes:
    """Return what is signed."""
    return json.dumps(payload).encode()
