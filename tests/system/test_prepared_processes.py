"""A process of the tests that is forked from a prepared one is what an interpreter that is started would be."""

import os
import signal
import subprocess
import sys

import pytest

from support.processes import prepared

SHOWN = """
import json, os, signal, sys
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "name": __name__, "directory": os.getcwd(),
    "environment": dict(os.environ), "umask": os.umask(0), "typed": sys.stdin.read(),
    "descriptors": sorted(os.listdir("/proc/self/fd")), "command": open("/proc/self/cmdline").read().rstrip(chr(0)),
    "signals": [str(signal.getsignal(each)) for each in sorted(signal.valid_signals())],
    "streams": [(each.encoding, each.errors, each.line_buffering, each.write_through) for each in (sys.stdout, sys.stderr)],
    "session": [os.getsid(0), os.getpgid(0)], "comm": open("/proc/self/comm").read(),
}))
"""
ENDS = {
    "a number": "import sys; sys.exit(3)",
    "a message": "import sys; sys.exit('no')",
    "an exception": "1 / 0",
    "at exit": "import atexit; atexit.register(print, 'bye')",
    "a thread": "import threading, time; threading.Timer(0.01, print, ['late']).start()",
    "a signal": "import os; os.kill(os.getpid(), 9)",
    "an interrupt": "raise KeyboardInterrupt",
    "at once": "import os; print('lost'); os._exit(4)",
}


def started(argv, **options) -> subprocess.CompletedProcess[str]:
    """Run a real interpreter, from a file as the prepared one is."""
    text = options.pop("typed", "")
    return subprocess.run([sys.executable, *argv], input=text, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("kind", ["code", "file", "module"])
def test_it_is_given_what_a_started_one_is_given(tmp_path, kind, unbuffered):
    (tmp_path / "shown.py").write_text(SHOWN)
    program = {"code": ["-c", SHOWN], "file": [str(tmp_path / "shown.py")], "module": ["-m", "shown"]}[kind]
    options = {"cwd": tmp_path, "typed": "hello", "env": {**os.environ, "ODD": "ü\n", "PYTHONUNBUFFERED": unbuffered}}
    before = os.umask(0o027)
    try:
        assert prepared.run([*program, "a b", ""], **options).stdout == started([*program, "a b", ""], **options).stdout
    finally:
        os.umask(before)


@pytest.mark.parametrize("how", ENDS)
def test_it_ends_as_a_started_one_ends(how):
    forked, real = prepared.run(["-c", ENDS[how]]), started(["-c", ENDS[how]])
    assert (forked.returncode, forked.stdout) == (real.returncode, real.stdout)
    assert forked.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_nothing_of_one_is_left_for_the_next():
    prepared.run(["-c", "import agent, os; agent.left = os.environ['LEFT'] = 'here'"])
    asked = "import agent, os; print(hasattr(agent, 'left'), 'LEFT' in os.environ)"
    assert prepared.run(["-c", asked]).stdout == "False False\n"


def test_what_an_interpreter_reads_at_its_start_is_heeded():
    environment = {**os.environ, "PYTHONOPTIMIZE": "2"}
    assert prepared.run(["-c", "import sys; print(sys.flags.optimize)"], env=environment).stdout == "2\n"


def test_it_is_signalled_and_waited_for():
    with prepared.start(["-c", "import signal; signal.pause()"]) as process:
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)
        process.terminate()
        assert process.wait(20) == -signal.SIGTERM
    assert process.poll() == -signal.SIGTERM
    process.kill()
