"""Whether an uploaded chain fits a need, and why not. Importing this is cheap: a status needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from agent.errors.problem import rfc3339
from agent.model.need import Need
from agent.model.records import UPLOADED, ChainRecord
from agent.system.names import covers_all


def fits(need: Need, record: ChainRecord) -> bool:
    """Whether a chain has an accepted type of key and the right purpose."""
    return record.key_type in need.key_types and need.purpose in record.purposes


def could_serve(need: Need, record: ChainRecord, now: datetime) -> bool:
    """Whether an uploaded chain is good now, fits a need and covers all its names."""
    return record.good(now) and fits(need, record) and covers_all(record.names, need.names)


def is_pinned(need: Need, record: ChainRecord, pins: Mapping[tuple[str, str], str]) -> bool:
    """Whether a chain is the one that was pinned for a need: in the settings, or else by a person (`pins`)."""
    pin = need.pin or pins.get(need.key)
    return pin is not None and (record.id.startswith(pin) or pin in record.names)


def why_unfit(need: Need, record: ChainRecord, now: datetime) -> str:
    """Return why a chain can't be the pinned one of a need: a clause; empty where it can."""
    return next(_obstacles(need, record, now), "")


def _obstacles(need: Need, record: ChainRecord, now: datetime) -> Iterator[str]:
    if record.source != UPLOADED:
        yield f'only uploaded chains can be pinned, and it is of the source "{record.source}"'
    if need.sources is not None and UPLOADED not in need.sources:
        yield f"only chains of {', '.join(need.sources)} may serve there"
    if not covers_all(record.names, need.names):
        missing = [name for name in need.names if not covers_all(record.names, [name])]
        yield f"it does not cover {', '.join(missing[:3])}"
    if record.revoked_at is not None:
        yield f"it was revoked at {rfc3339(record.revoked_at)}"
    if not record.not_before <= now < record.not_after:
        yield f"it is good from {rfc3339(record.not_before)} until {rfc3339(record.not_after)} only"
    if record.key_type not in need.key_types:
        yield f"its key is {record.key_type}, and {need.module} takes {', '.join(need.key_types)}"
    if need.purpose not in record.purposes:
        yield f"it is not for {need.purpose} authentication"
