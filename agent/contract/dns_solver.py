"""Contract of DNS solvers: what puts the records that prove a name into DNS, and takes them out again."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True, kw_only=True)
class TxtRecord:
    """TXT record that proves a name to a CA (RFC 8555 section 8.4)."""

    name: str
    """Owner where it is written, canonical and without a final dot: where the aliases of ``_acme-challenge.DOMAIN`` end."""
    value: str
    """43 characters of base64url."""
    zone: str = ""
    """Zone that holds `name`; empty: not known."""
    domain: str = ""
    """Name that is proved, without ``*.``."""


class DnsContext(Protocol):
    """Services passed to a DNS solver for one call."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a program as `run_program` does, with these variables beside the usual ones. Raises `ProgramFailed`.

        Where the agent stops meanwhile, `OrderCancelled`.
        """

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up when cancelled."""

    @property
    def seconds_left(self) -> float:
        """Seconds until the call is given up; programs that are run end by then."""

    @property
    def cancelled(self) -> bool:
        """Whether the agent wants to stop: return as soon as it's safe, by raising `agent.errors.OrderCancelled`."""

    def rooted(self, path: str) -> Path:
        """Return a path of the settings below ``--root``."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""

    def progress(self, text: str) -> None:
        """Tell what is being done; shown live."""


class DnsSolver(BaseModel, ABC):
    """Publisher of answers to DNS-01 challenges (RFC 8555 section 8.4); an instance is the ``[dns.NAME]`` table.

    A class overrides `present` or `present_all`, and `clean_up` or `clean_up_all`. It may use the network: it is asked outside
    the lock. It raises an `agent.errors.DnsSolverError`, whose class says when it's tried again, or any `SourceError`; whatever
    else it raises is told as a defect of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    timeout: ClassVar[float] = 120.0
    """Seconds for one call; the setting `timeout` of the table goes before it. Then it hangs, and the order fails."""
    most_values: ClassVar[int | None] = None
    """Values that a name may have at the same time: further orders of the name wait. None: as many as are wanted."""

    def check_record(self, record: TxtRecord, context: DnsContext) -> None:
        """Raise a `DnsSolverError` where a record, still without a value, could not be made with these settings.

        Asked before anything is ordered, and by ``chainwright acme check``: files may be read, the network not used.
        """

    def present(self, name: str, value: str) -> None:
        """Add a TXT record `value` at `name`, beside those that are there."""
        raise NotImplementedError

    def clean_up(self, name: str, value: str) -> None:
        """Remove exactly that record. That it isn't there is no failure."""
        raise NotImplementedError

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Add all records of an order in one zone, beside those that are there. By default `present` is called for each."""
        for record in records:
            self.present(record.name, record.value)

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Remove exactly these records. By default `clean_up` is called for each."""
        for record in records:
            self.clean_up(record.name, record.value)


class Dns01(Protocol):
    """Where answers to DNS-01 challenges go: what the core does with the ``[dns.NAME]`` tables for a source."""

    def solver_for(self, domain: str) -> str | None:
        """Return the name of the table that would serve `domain`, by its zones and by the aliases of ``_acme-challenge``.

        None: there is none. Raises nothing.
        """

    def alias_of(self, domain: str) -> str:
        """Return where the aliases of ``_acme-challenge.DOMAIN`` end; empty: it is none, or nobody can say."""

    def where(self, domain: str) -> TxtRecord:
        """Return where the record of `domain` is to be written, without a value. Raises `agent.errors.SourceError`.

        Also where the solver knows that it could not make it there.
        """

    def publish(self, records: Sequence[TxtRecord]) -> None:
        """Have the records made, and wait until every server of their zones has them; those that exist are left as they are.

        Raises `agent.errors.SourceError`, whose `failed` are domains.
        """

    def withdraw(self, records: Sequence[TxtRecord]) -> None:
        """Have exactly these records removed. What fails is tried again later, without the source. Raises nothing."""
