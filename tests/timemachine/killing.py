"""A pass in a process that is killed at one of its steps: an event that is stored, or something that is made on disk."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable

from timemachine.appliance import Appliance

STEPS = frozenset(("os.rename", "os.mkdir", "os.link", "os.symlink", "os.remove"))
KILLED = 9


def killed_pass(appliance: Appliance, step: int, make: Callable[[Appliance, object], object]) -> bool:
    """Make a pass in a child that ends without a last word at its nth step. Return whether it came to that.

    What services and CAs have seen of it by then is taken over: they are not killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _pass_to_the_end(appliance, step, make, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        seen = pipe.read()
    _, status = os.waitpid(child, 0)
    if seen:
        appliance.take_world(pickle.loads(seen))
    return os.waitstatus_to_exitcode(status) == KILLED


def _pass_to_the_end(
    appliance: Appliance, step: int, make: Callable[[Appliance, object], object], writing: int
) -> None:
    left = [step]
    own = os.getpid()

    def end(code: int) -> None:
        seen = memoryview(pickle.dumps(appliance.world()))
        while seen:
            seen = seen[os.write(writing, seen) :]
        os._exit(code)

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0 and os.getpid() == own:
            end(KILLED)

    def look(event: str, _arguments: tuple[object, ...]) -> None:
        if event in STEPS:
            count()

    sys.addaudithook(look)
    try:
        make(appliance, count)
    finally:
        end(0)
