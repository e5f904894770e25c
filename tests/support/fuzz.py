"""How much is tried, and how material is changed.

``CHAINWRIGHT_FUZZ=long pytest -n0 -k fuzzing tests/inspection tests/config`` takes about five minutes.
"""

from __future__ import annotations

import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = os.environ.get("CHAINWRIGHT_FUZZ") == "long"
SLOWEST = timedelta(seconds=20)
"""Far above what any input takes on a busy machine, far below what a hang takes."""
NEVER_HANGS = pytest.mark.timeout(1800 if LONG else 120)


def fuzzed(examples: int, many: int):
    """Return the settings of hypothesis: how many examples in the suite, and how many in a long run."""
    return settings(
        max_examples=many if LONG else examples,
        deadline=SLOWEST,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


MOST_SECONDS = 5
"""CPU time of one example: a changed number may ask for two thousand million rounds of key derivation."""


def confined(check: Callable[[], None]) -> None:
    """Make a check in a process of its own, as uploads are inspected. To be given up there is a good end."""
    with warnings.catch_warnings(), os.fdopen(os.memfd_create("failure"), "w+") as failure:
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside the threads of pytest's own
        pid = os.fork()
        if pid == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
            try:
                check()
            except BaseException:
                failure.write(traceback.format_exc())
                failure.flush()
            finally:
                os._exit(0)
        ending = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        failure.seek(0)
        message = failure.read()
    assert not message, message
    assert ending in {0, -signal.SIGXCPU}


CHANGES = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 10**6), st.integers(0, 7)),
    st.tuples(st.just("cut"), st.integers(0, 10**6), st.integers(0, 2000)),
    st.tuples(st.just("insert"), st.integers(0, 10**6), st.binary(max_size=20)),
    st.tuples(st.just("set"), st.integers(0, 10**6), st.binary(max_size=8)),
    st.tuples(st.just("repeat"), st.integers(0, 10**6), st.integers(1, 300)),
    st.tuples(st.just("end"), st.integers(0, 10**6), st.none()),
)


def changed(data: bytes, changes: list[tuple[str, int, Any]]) -> bytes:
    for what, where, how in changes:
        at = where % (len(data) + 1)
        before, after = data[:at], data[at:]
        if what == "flip":
            data = before + bytes(after[:1] and [after[0] ^ (1 << how)]) + after[1:]
        elif what == "cut":
            data = before + after[how:]
        elif what == "insert":
            data = before + how + after
        elif what == "set":
            data = before + how + after[len(how) :]
        elif what == "repeat":
            data = before + after[:how] * 2 + after[how:]
        else:
            data = before
    return data


some_changes = st.lists(CHANGES, min_size=1, max_size=4)
texts = st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
