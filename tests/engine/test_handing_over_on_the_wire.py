"""Hand-over before a chain's end on a service, from pass to pass, with a source that is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from agent.model.events import EventKind
from agent.model.handover import hands_over_at
from agent.model.records import ChainRecord
from support.appliances.deployed import Deployed, served

NAME = "t.example.com"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AWAY = '''
from datetime import timedelta
from pathlib import Path

from chainwright import Due, Offer, Source, SourceError, hookimpl


class Away(Source):
    """A source that delivers while a file is there."""

    name = "away"
    hours: float
    file: str

    def offers(self, request, state):
        return Offer(serves=True)

    def due(self, request, state, now):
        chain = state.chain
        return Due(at=chain.not_after - (chain.not_after - chain.not_before) / 2 if chain else now, reason="it is time")

    def obtain(self, request, context):
        if not Path(self.file).exists():
            raise SourceError("The CA is away.", retry_at=context.now() + timedelta(days=1))
        return context.issue(request, timedelta(hours=self.hours))


@hookimpl
def register_sources():
    return [Away]
'''


@dataclass
class Guarded:
    """The appliance, and what was seen at its service from pass to pass."""

    appliance: Deployed

    def settings(self, hours: float) -> None:
        self.appliance.layout.plugins.joinpath("away.py").write_text(AWAY)
        self.appliance.settings(
            'hostname = "gw"\nplugins.away.enabled = true\nsources = ["uploaded", "away", "local"]\n'
            "[probe]\ninterval = 604800\ntimeout = 5\n"
            f'[modules.tunnel]\nport = {self.appliance.port}\ndomain = "{NAME}"\n'
            f'[source.away]\nhours = {hours}\nfile = "{self._file}"\n'
        )

    def comes(self) -> None:
        self._file.touch()

    def goes(self) -> None:
        self._file.unlink()

    def served(self) -> ChainRecord:
        """Return the chain that the service presents."""
        found = served(self.appliance.port, NAME)
        with self.appliance.store() as store:
            return next(each for each in store.chains.records() if each.id == found)

    def passes_until(self, end: datetime) -> Iterator[tuple[datetime, ChainRecord]]:
        """Make passes when they are due, and yield what serves from each to the next one."""
        while True:
            due = self.appliance.apply().plan.next_at or end
            present = self.served()
            assert min(due, end) <= present.not_after, "it is served beyond its end"
            yield self.appliance.clock(), present
            if due >= end:
                return
            self.appliance.clock.advance(seconds=max(0.0, (due - self.appliance.clock()).total_seconds()) + 0.5)

    @property
    def _file(self):
        return self.appliance.root / "the-ca-is-there"


@pytest.fixture
def guarded(tunnel) -> Guarded:
    return Guarded(tunnel)


@pytest.mark.parametrize("hours", [24, 160])
def test_while_its_source_is_away_a_chain_hands_over_before_its_end_and_never_serves_beyond(guarded, hours: int):
    guarded.settings(hours)
    guarded.comes()
    guarded.appliance.apply()
    first = guarded.served()
    assert first.source == "away"
    guarded.goes()
    over = hands_over_at(first.not_before, first.not_after)
    for at, present in guarded.passes_until(first.not_after + HOUR):
        assert present.source == ("away" if at < over else "local")
    failures = [each.at for each in guarded.appliance.events if each.kind is EventKind.ORDER_FAILED]
    for deadline in (over, first.not_after):
        for span in (DAY, HOUR):
            if deadline - span > first.not_before + (first.not_after - first.not_before) / 2:
                assert len([at for at in failures if deadline - span <= at < deadline]) >= 3
    guarded.comes()
    guarded.appliance.clock.advance(days=1, minutes=5)
    guarded.appliance.apply()
    assert guarded.served().source == "away"


def test_a_machine_that_slept_into_the_margin_serves_another_chain_after_one_pass(guarded):
    guarded.settings(160)
    guarded.comes()
    guarded.appliance.apply()
    first = guarded.served()
    guarded.goes()
    guarded.appliance.clock.advance(hours=157)
    guarded.appliance.apply()
    assert (first.source, guarded.served().source) == ("away", "local")
    with guarded.appliance.store() as store:
        (binding,) = store.modules.bindings()
    assert binding.reason.startswith(f"local, as {first.id[:12]} (away) ends at ")
