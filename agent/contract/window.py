"""Activation windows: when a new chain may be taken into service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import PlainSerializer, PlainValidator

MINUTE = timedelta(minutes=1)
FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?: ([A-Za-z0-9_+/-]+))?")


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` to `end` each day on the clock of `zone`; over midnight where `end` is earlier."""

    start: time
    end: time
    zone: str = "UTC"

    def __str__(self) -> str:
        zone = "" if self.zone == "UTC" else f" {self.zone}"
        return f"{self.start:%H:%M}-{self.end:%H:%M}{zone}"

    def is_open(self, now: datetime) -> bool:
        """Whether `now` (aware) lies in the window."""
        clock = now.astimezone(ZoneInfo(self.zone)).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def opens_at(self, now: datetime) -> datetime:
        """Return `now` when the window is open, else the next opening, in UTC."""
        if self.is_open(now):
            return now
        today = now.astimezone(ZoneInfo(self.zone)).date()
        openings = [at for days in range(3) for at in self._openings(today + timedelta(days=days)) if at > now]
        return min(openings).astimezone(now.tzinfo)

    def _openings(self, day: date) -> list[datetime]:
        """Return when the window opens on a day: twice where clocks are set back over its start.

        Where they skip its start it opens with the first minute after, and not at all where they skip the whole of it.
        """
        wall = datetime.combine(day, self.start, ZoneInfo(self.zone))
        before, after = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))  # PEP 495
        if before <= after:
            return [before, after]
        skipped = int((before - after) / MINUTE)
        minutes = (after + each * MINUTE for each in range(1, skipped + 1))
        return [each for each in minutes if self.is_open(each)][:1]


def parse_window(text: Any) -> Hours:
    """Read ``HH:MM-HH:MM`` with an optional IANA time zone. Raises ValueError."""
    if isinstance(text, Hours):
        return text
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError('a window is written "03:00-05:00" or "03:00-05:00 Europe/Berlin"')
    zone = match[5] or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Europe" is a directory
        raise ValueError(f'there is no time zone "{zone}"; an example is Europe/Berlin') from error
    start, end = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if start == end:
        raise ValueError("a window must end at another time than it begins")
    return Hours(start, end, zone)


Window = Annotated[Hours, PlainValidator(parse_window), PlainSerializer(str)]
