"""Chains are swapped again and again while somebody dials in: nobody is ever refused."""

import threading
import time
from pathlib import Path

import pytest

from chainwright import Endpoint, Expected
from plugins.ikev2.load import main
from plugins.ikev2.probe import IkeProbe
from support.appliances.ikev2 import DOMAIN, IKEv2Appliance
from support.waiting import until

pytestmark = pytest.mark.root

SWAPS = 60


class Dialler(threading.Thread):
    """Dials in without a pause, and remembers which leaf proved itself, and every refusal."""

    def __init__(self, box: IKEv2Appliance) -> None:
        super().__init__(daemon=True)
        self.endpoint = Endpoint(port=box.port, server_name=DOMAIN)
        self.leaves: list[str] = []
        self.refusals: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                served = IkeProbe().look(self.endpoint, time.monotonic() + 10, Expected(fingerprints=(), generation=0))
                self.leaves.append(served.fingerprints[0])
            except Exception as error:
                self.refusals.append(str(error))


def test_sixty_swaps_refuse_nobody_and_each_is_seen(serving):
    """Of two generations that the agent has made, by the program that it has them loaded with."""
    first, leaf = serving.live("ikev2"), serving.chains()["default"]
    serving.clock.advance(days=61)
    serving.apply()
    serving.assert_live()
    turns = [(first, leaf), (serving.live("ikev2"), serving.chains()["default"])]
    dialler = Dialler(serving)
    dialler.start()
    for number in range(SWAPS):
        directory, leaf = turns[number % 2]
        assert load(serving, directory) == 0
        seen = len(dialler.leaves)
        until(lambda seen=seen: len(dialler.leaves) > seen + 1, what="somebody has dialled in")
        assert dialler.leaves[-1] == leaf
    dialler.over.set()
    dialler.join(20)
    assert dialler.refusals == []
    assert len(dialler.leaves) > 2 * SWAPS


def load(box: IKEv2Appliance, directory: Path) -> int:
    state = str(box.layout.run / "strongswan-loaded.json")
    return main([str(directory), "--socket", str(box.socket), "--state", state])
