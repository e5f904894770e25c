"""A parent for the process of the tests that outlives it and ends all that they have started.

Daemons leave their parent. As the subreaper of everything below it (prctl(2)) this process gets them, reaps them at once, as a
machine's init does and a container's may not, and kills what is left at the end, however that came.
"""

import ctypes
import os
import signal
from contextlib import suppress
from types import FrameType

from support.processes.tree import children, kill_all

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def reaped() -> None:
    """Go on in a child of this process, which from now on only reaps; to be called before there are threads."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    tests = os.fork()
    if tests == 0:
        _prctl(PR_SET_CHILD_SUBREAPER, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # it may have got the signal itself
            os.kill(tests, number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the tests too
    os._exit(_reap_until_end_of(tests))


def _reap_until_end_of(tests: int) -> int:
    """Reap; return the exit code of the tests when nothing of theirs is left."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == tests:
            break
    while left := children(os.getpid()):
        kill_all(left)
        for pid in left:
            os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
