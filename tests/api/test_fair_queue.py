"""Queues before threads: bounded, and nobody fills one for the others."""

import asyncio
import threading
from dataclasses import dataclass

import pytest

from agent.api.fair_queue import FairQueue, Place
from agent.errors.api import ServiceUnavailable

ADMIN = Place(0, ("ann",))
VIEWER = Place(1, ("vic",))


@dataclass
class Run:
    """A queue whose threads wait until they are let go, and the order in which they came to their turn."""

    queue: FairQueue
    gate: threading.Event
    order: list

    def ask(self, ticket, name):
        def work():
            self.order.append(name)
            assert self.gate.wait(20)
            return name

        return asyncio.ensure_future(self.queue.run(ticket, work))


def played(script, width, most, reserved=0):
    """Return what a coroutine function returns that is given a `Run`."""

    async def play():
        run = Run(FairQueue("test", width, most, reserved), threading.Event(), [])
        try:
            return await script(run)
        finally:
            run.gate.set()
            run.queue.close()

    return asyncio.run(play())


async def settled(*tasks):
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_who_asks_a_lot_is_last_and_loses_his_own_places_when_it_is_full():
    async def script(run):
        flood = [run.ask(VIEWER, f"vic {number}") for number in range(20)]
        await asyncio.sleep(0)
        other = run.ask(Place(1, ("uma",)), "uma")
        await asyncio.sleep(0)
        run.gate.set()
        return await settled(*flood), await other, run.order

    found, other, order = played(script, 1, 8)
    assert other == "uma"
    assert order[:3] == ["vic 0", "vic 1", "uma"]
    assert sum(isinstance(each, ServiceUnavailable) for each in found) == 12


def test_a_refusal_comes_at_once_while_the_others_still_wait():
    async def script(run):
        first = [run.ask(VIEWER, number) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await run.ask(VIEWER, "too much")
        assert not any(each.done() for each in first)

    played(script, 1, 2)


def test_an_administrator_has_a_thread_that_viewers_leave_free_and_comes_first_in_the_queue():
    async def script(run):
        viewers = [run.ask(VIEWER, f"vic {number}") for number in range(6)]
        await asyncio.sleep(0)
        admins = [run.ask(ADMIN, f"ann {number}") for number in range(2)]
        await asyncio.sleep(0)
        run.gate.set()
        await settled(*viewers, *admins)
        return run.order

    order = played(script, 2, 8, reserved=1)
    assert sorted(order[:2]) == ["ann 0", "vic 0"]
    assert order.index("ann 1") < order.index("vic 1")


def test_who_has_gone_leaves_his_place_to_others():
    async def script(run):
        gone = run.ask(VIEWER, "gone")
        waits = run.ask(VIEWER, "waits")
        leaves = run.ask(VIEWER, "leaves")
        await asyncio.sleep(0)
        gone.cancel()
        leaves.cancel()
        await settled(gone, leaves)
        run.gate.set()
        assert await waits == "waits"
        assert await run.ask(VIEWER, "later") == "later"
        return run.order

    assert "leaves" not in played(script, 1, 8)


def test_an_error_of_the_work_is_the_caller_s_and_frees_the_thread():
    async def script(run):
        run.gate.set()
        with pytest.raises(ZeroDivisionError):
            await run.queue.run(VIEWER, lambda: 1 // 0)
        return await run.ask(VIEWER, "next")

    assert played(script, 1, 1) == "next"


def test_a_caller_who_has_gone_takes_nobody_along_where_the_queue_is_full():
    async def script(run):
        first = run.ask(VIEWER, "first")
        await asyncio.sleep(0)
        gone = run.ask(VIEWER, "gone")
        await asyncio.sleep(0)
        gone.cancel()
        late = run.queue.run(ADMIN, lambda: "late")
        late.send(None)  # before the one that is cancelled gets to know it
        late.close()
        run.gate.set()
        return await settled(first, gone)

    first, gone = played(script, 1, 1)
    assert first == "first"
    assert isinstance(gone, asyncio.CancelledError)
