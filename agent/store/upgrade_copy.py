"""Copy of a database before it is brought up to date: by one process, of what is from before, in a bounded time at boot."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from agent.errors.store import StoreError
from agent.store.connection import Connection
from agent.store.copies import PATIENCE, UPGRADE, alone, make_copy_alone
from agent.store.sealing import Sealer, read_master_key
from agent.store.upgrade import is_up_to_date
from agent.system.clock import Clock
from agent.system.layout import Layout


@contextmanager
def copied_before(layout: Layout, database: Connection, seconds: float = math.inf) -> Iterator[None]:
    """Copy a database that is about to be brought up to date, and keep others from that until it is.

    Another process may have done it meanwhile: then what is there now isn't from before. Where no copy can be made, or not in
    so many seconds, it goes on without: a renewal may be due, and services wait for a boot.
    """
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as held:
        with contextlib.suppress(StoreError):
            held.enter_context(alone(layout, min(seconds, PATIENCE)))
            if not is_up_to_date(database):
                sealer = Sealer(partial(read_master_key, layout.master_key))
                make_copy_alone(layout, database, sealer, UPGRADE, Clock(layout.root)(), deadline)
        yield
