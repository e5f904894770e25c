"""Programs that are run for their output: they end in time, and what they print is bounded."""

import os
from pathlib import Path
from threading import Event, Timer
from types import SimpleNamespace
from typing import cast

import pytest

from agent.engine.source_context import SourceServices, StoredSourceContext
from agent.registry.sources import SourceHandle
from agent.system.program import ProgramFailed, run_program
from chainwright import OrderCancelled
from chainwright.testing import FakeSourceContext
from support.waiting import until

SHELL = ("sh", "-c")


def failure(script: str, **more: object) -> ProgramFailed:
    with pytest.raises(ProgramFailed) as caught:
        run_program((*SHELL, script), **more)  # type: ignore[arg-type]
    return caught.value


def is_gone(pid_file: Path) -> bool:
    """Whether a process has ended, or is only waited for."""
    try:
        return ") Z " in Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return True


def test_it_is_given_what_it_reads_and_what_it_prints_is_returned():
    data = os.urandom(200_000)
    assert run_program(("cat",), stdin=data) == data
    assert run_program((*SHELL, "echo told >&2; cat")) == b""


def test_why_it_failed_is_the_last_that_it_said():
    error = failure("echo first >&2; echo 'The key is away.' >&2; exit 3")
    assert (str(error), error.said) == ("The key is away", "first\nThe key is away.")
    assert str(failure("exit 3")) == "it ended with 3"
    with pytest.raises(ProgramFailed, match="no such file or directory"):
        run_program(("/nowhere/at-all",))


def test_it_ends_in_time_with_all_that_it_has_started(tmp_path):
    error = failure(f"echo slow >&2; sleep 600 & echo $! >{tmp_path}/pid; wait", timeout=0.5)
    assert (str(error), error.said) == ("it took longer than 0.5 s", "slow")
    until(lambda: is_gone(tmp_path / "pid"))
    assert str(failure("exec >&- 2>&-; sleep 600", timeout=0.3)) == "it took longer than 0.3 s"


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path):
    assert run_program((*SHELL, f"sleep 600 & echo $! >{tmp_path}/pid; echo done")) == b"done\n"
    until(lambda: is_gone(tmp_path / "pid"))


def test_what_it_prints_is_bounded():
    assert str(failure("cat /dev/zero")) == "it printed more than 1048576 octets"
    error = failure("head -c 300000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1")
    assert error.said.endswith("xend")
    assert len(error.said) < 70_000


def stored(stop: Event) -> StoredSourceContext:
    services = SimpleNamespace(writer=None, clock=None, http01=None)
    handle = SimpleNamespace(name="slow", source=None, key_owner="")
    return StoredSourceContext(cast("SourceServices", services), cast("SourceHandle", handle), stop, {})


@pytest.mark.parametrize("kind", ["stored", "fake"])
def test_a_source_s_program_ends_when_the_agent_stops(kind: str, tmp_path: Path):
    stop = Event()
    context = stored(stop) if kind == "stored" else FakeSourceContext(tmp_path, stop=stop)
    with pytest.raises(ProgramFailed, match="it ended with 1"):
        context.run(("false",))
    assert context.run(("cat",), stdin=b"a") == b"a"
    timer = Timer(0.2, stop.set)
    timer.start()
    with pytest.raises(OrderCancelled):
        context.run(("sleep", "600"))
    timer.join()
