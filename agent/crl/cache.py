"""Cache of fetched lists: one download, or one failure, for all chains of a CA."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.crl.fetch_result import Fetch, Fetched, FetchFailedError, NotPublicError, Validators
from agent.crl.look_up import SECONDS, LookUp
from agent.errors.crl import CrlError, CrlNotPublic, CrlRefused, CrlUnreachable

if TYPE_CHECKING:
    from cryptography import x509

    from agent.crl.revocation_list import FetchedList

SHORTEST, LONGEST = timedelta(hours=1), timedelta(hours=24)
"""Bounds of the time between two fetches of a list, whatever it says."""
JITTER = 0.1
"""Largest part of that time by which an appliance fetches earlier, so that not all fetch at once."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much a thread may have read the clock before the fetch of another thread that it waited for."""
BACK_OFF = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
"""After the first, second, ... failure in a row."""
KEPT = 64 * 1024 * 1024
"""Bytes of lists that are kept in memory: public CAs cut theirs into a hundred parts of some hundred kilobytes."""

ListKey = tuple[str, bytes, tuple[bool, bool]]
"""URL, the issuer's public key, and `LookUp.kind`."""
NOT_AVAILABLE = "it is not available"
IN_TIME = "no complete answer in time"


@dataclass(slots=True)
class _CachedList:
    """State of one list: content, last fetch, failures."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: FetchedList | None = None
    validators: Validators = field(default_factory=Validators)
    fetched_at: datetime | None = None
    next_at: datetime | None = None
    error: CrlError | None = None
    failures: int = 0

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is too early to fetch again. After the clock was set back, it is not."""
        if self.fetched_at is None or self.next_at is None:
            return False
        return self.fetched_at - CLOCK_TOLERANCE <= now < self.next_at


class RevocationLists:
    """Lists of revoked certificates, by URL and the issuer's key that verified them. Safe for threads."""

    def __init__(
        self,
        *,
        get: Fetch | None = None,
        chance: random.Random | None = None,
        kept: int = KEPT,
        seconds: float = SECONDS,
    ) -> None:
        """`seconds`: for all lists of one chain."""
        self.seconds = seconds
        self._get = get or _over_http
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._kept = kept
        self._lock = threading.Lock()
        self._entries: OrderedDict[ListKey, _CachedList] = OrderedDict()

    def obtain(
        self, urls: Iterable[str], issuer: x509.Certificate, now: datetime, look_up: LookUp
    ) -> tuple[FetchedList, datetime] | None:
        """Return the first list of `urls` that can be fetched and is the issuer's, and the instant of the next fetch.

        None: none of them may be asked any more. Raises the `CrlError` of the first URL.
        """
        errors: list[CrlError] = []
        for url in look_up.addresses(urls):
            try:
                return self._obtain(url, issuer, now, look_up)
            except CrlError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return None

    def _obtain(
        self, url: str, issuer: x509.Certificate, now: datetime, look_up: LookUp
    ) -> tuple[FetchedList, datetime]:
        from agent.crl.revocation_list import key_of

        key = (url, key_of(issuer), look_up.kind)
        with self._lock:
            entry = self._entries.setdefault(key, _CachedList())
            self._entries.move_to_end(key)
        with _locked(entry, url, now, look_up):
            if not entry.is_fresh(now):
                self._refresh(entry, url, issuer, now, look_up)
            if entry.known is None or not entry.known.holds(now):
                assert entry.error is not None
                raise entry.error.with_traceback(None)
            assert entry.next_at is not None
            found = entry.known, entry.next_at
        self._forget_oldest()
        return found

    def _refresh(self, entry: _CachedList, url: str, issuer: x509.Certificate, now: datetime, look_up: LookUp) -> None:
        """Fetch a list, or learn that the cached one is still the newest."""
        entry.fetched_at = now
        retry_at = now + BACK_OFF[min(entry.failures, len(BACK_OFF) - 1)]
        try:
            entry.known = self._newest(entry, url, issuer, now, retry_at, look_up)
        except CrlError as error:
            entry.failures += 1
            entry.error, entry.next_at = error, retry_at
        else:
            entry.failures, entry.error = 0, None
            entry.next_at = now + self._pause(entry.known.next_update - now)

    def _newest(
        self,
        entry: _CachedList,
        url: str,
        issuer: x509.Certificate,
        now: datetime,
        retry_at: datetime,
        look_up: LookUp,
    ) -> FetchedList:
        from agent.crl.revocation_list import NotTheIssuersError, UnusableListError, read_list

        known = entry.validators if entry.known else Validators()
        try:
            fetched = self._get(url, known, look_up.deadline, look_up.public_only)
            found = entry.known if fetched.body is None else read_list(fetched.body, issuer)
            if found is None:
                raise FetchFailedError("the server says that nothing has changed, without having been asked")
            found.check(now)
        except NotPublicError as failure:
            raise CrlNotPublic(url, retry_at) from failure
        except (FetchFailedError, NotTheIssuersError) as failure:
            if look_up.of_upload:
                raise CrlUnreachable(url, NOT_AVAILABLE, retry_at) from None
            kind = CrlUnreachable if isinstance(failure, FetchFailedError) else CrlRefused
            raise kind(url, failure.reason, retry_at, failure.detail) from failure
        except UnusableListError as failure:
            raise CrlRefused(url, failure.reason, retry_at, failure.detail) from failure
        entry.validators = fetched.validators
        return found

    def _pause(self, left: timedelta) -> timedelta:
        pause = min(max(left, SHORTEST), LONGEST)
        return max(pause * (1 - JITTER * self._chance.random()), SHORTEST)

    def _forget_oldest(self) -> None:
        """Bound the memory: the lists that were used least recently are dropped, and fetched again when needed."""
        with self._lock:
            size = sum(entry.known.size for entry in self._entries.values() if entry.known)
            for entry in self._entries.values():
                if size <= self._kept:
                    return
                if entry.known and entry.lock.acquire(blocking=False):
                    size -= entry.known.size
                    entry.known = entry.next_at = None
                    entry.lock.release()


@contextmanager
def _locked(entry: _CachedList, url: str, now: datetime, look_up: LookUp) -> Iterator[None]:
    """Hold a list alone. Raises `CrlUnreachable` when another thread fetches it for longer than this one has time."""
    if not entry.lock.acquire(timeout=look_up.seconds):
        raise CrlUnreachable(url, NOT_AVAILABLE if look_up.of_upload else IN_TIME, now + BACK_OFF[0])
    try:
        yield
    finally:
        entry.lock.release()


def _over_http(url: str, known: Validators, deadline: float, public_only: bool) -> Fetched:
    from agent.crl.fetching import fetch

    return fetch(url, known, deadline, public_only)
