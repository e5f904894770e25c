"""What is not well at an appliance, so that it has to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from timemachine.findings import Fact
from timemachine.oracle import ACME, COMPANY, LOCAL, UPLOADED, Oracle
from timemachine.wire import Loaded, Service

DAY = timedelta(days=1)
CA_OF = {"a": ACME, "c": COMPANY}
"""First letter of a name -> rung whose CA is asked for it."""


@dataclass(frozen=True)
class Facts:
    """The world at one instant."""

    oracle: Oracle
    services: Mapping[str, Service]
    ladder: tuple[str, ...]
    now: datetime

    def __iter__(self) -> Iterator[Fact]:
        """Yield what is not well at services."""
        for module, service in self.services.items():
            if not service.runs:
                yield Fact("stopped", module, module=module, names=[*service.serves])
            for name, loaded in service.serves.items() if service.runs else ():
                for key in self._keys(name, loaded):
                    yield Fact(key, f"{name} of {module}", loaded.id, module, [name])

    def late(self) -> Iterator[str]:
        """Yield names whose CA answers, and that have had no chain of it for long, or one that is nearly over."""
        for module, service in self.services.items():
            for name, loaded in service.serves.items() if service.takes else ():
                if self._has_ca(name) and not self.oracle.disturbed(self.now, name):
                    rung, left = self.oracle.rung_of(loaded), loaded.not_after - self.now
                    if rung == LOCAL or (rung != UPLOADED and left < (loaded.not_after - loaded.not_before) / 10):
                        yield f"{name} of {module} is served by {rung} until {loaded.not_after:%Y-%m-%d}"

    def _keys(self, name: str, loaded: Loaded) -> Iterator[str]:
        rung = self.oracle.rung_of(loaded)
        life, left = loaded.not_after - loaded.not_before, loaded.not_after - self.now
        if left < timedelta():
            yield "expired"
        if rung == LOCAL and self._has_ca(name):
            yield "fallback"
        if rung != UPLOADED and left < life / 5:
            yield "overdue"
        if rung == UPLOADED and left < min(13 * DAY, life / 7):
            yield "upload"
        if self._is_held(name, loaded, rung):
            yield "held"

    def _has_ca(self, name: str) -> bool:
        return CA_OF.get(name[0]) in self.ladder

    def _is_held(self, name: str, loaded: Loaded, rung: str) -> bool:
        """Whether a newer chain of the CA was issued, and another one serves, whoever keeps it from being served."""
        if rung == UPLOADED or not self._has_ca(name) or name in self.oracle.withdrawn:
            return False
        return self.oracle.has_newer(name, CA_OF[name[0]], loaded.id, self.now)
