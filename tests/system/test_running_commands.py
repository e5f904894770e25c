"""Commands and signals that the core runs for a plugin, each with an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.system.command import OUTPUT_LIMIT, Command, CommandResult, Signal, SystemRunner
from agent.system.processes import process_of
from support.processes.tree import alive
from support.waiting import until

LONGEST_WAIT = 20.0
"""Seconds until a wait gives up; large, because the machine may be busy."""


def run(*argv: str, **options) -> CommandResult:
    return SystemRunner().run(Command(argv, **options))


def python(script: str, **options) -> CommandResult:
    return run(sys.executable, "-c", script, **options)


# Argument lists


@pytest.mark.parametrize("argv", ["nginx -t", "", ()])
def test_a_shell_string_is_no_command(argv):
    with pytest.raises(TypeError, match="a command is a tuple of arguments"):
        Command(argv)


def test_arguments_reach_the_program_as_they_are_without_a_shell():
    odd = ["a b", "$HOME", "; rm -rf /", "*", '"', "`id`", "ümlaut"]
    result = python("import sys, json; print(json.dumps(sys.argv[1:]))")
    assert result.output == "[]\n"
    result = run(sys.executable, "-c", "import sys; print(*sys.argv[1:], sep='\\n')", *odd)
    assert result.output.splitlines() == odd


def test_a_path_is_an_argument_too_and_a_nul_byte_is_none():
    assert str(Command(("cat", Path("/etc/hosts")))) == "cat /etc/hosts"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NUL"):
        Command(("cat", "a\0b"))


def test_a_command_adds_to_the_environment_and_reads_nothing():
    script = "import os, sys; print(os.environ['TOY'], 'PATH' in os.environ, sys.stdin.read())"
    assert python(script, environment={"TOY": "yes"}).output == "yes True \n"


# How it ended


def test_a_command_that_ends_with_zero_is_well():
    result = python("import sys; print('said'); print('complained', file=sys.stderr)")
    assert (result.ok, result.exit_code, result.missing, result.timed_out) == (True, 0, False, False)
    assert result.output == "said\ncomplained\n"


def test_a_command_that_ends_with_anything_else_is_not():
    result = python("raise SystemExit(3)")
    assert (result.ok, result.exit_code, result.summary) == (False, 3, "exit code 3")


def test_a_command_that_is_killed_says_by_what():
    result = python("import os; os.kill(os.getpid(), 11)")
    assert (result.ok, result.exit_code, result.summary) == (False, -signal.SIGSEGV, "ended by SIGSEGV")


def test_a_complaint_counts_as_a_failure_where_exit_codes_lie():
    script = "import sys; print('warning: x', file=sys.stderr)"
    assert python(script).ok
    assert not python(script, strict=True).ok
    assert python("import sys; print(file=sys.stderr); print('fine')", strict=True).ok


@pytest.mark.parametrize(
    ("output", "summary"),
    [
        (
            "nginx: [emerg] unknown directive\nnginx: configuration file x test failed\n",
            "nginx: [emerg] unknown directive",
        ),
        ("reading\n  Error: no such file  \nsee the manual\n", "Error: no such file"),
        ("one\ntwo\n\n", "two"),
        ("", "exit code 1"),
        (
            "[ALERT]    (7) : parsing [x:29] : unknown keyword 'serve'\n[ALERT]    (7) : Error(s) found in x\n",
            "[ALERT] parsing [x:29] : unknown keyword 'serve'",
        ),
        (
            "2026-11-30 16:29:18.134 GMT [836] LOG:  unrecognized parameter\n2026-11-30 16:29:18.135 GMT [836] FATAL:  errors\n",
            "LOG:  unrecognized parameter",
        ),
    ],
)
def test_the_line_that_says_most_is_shown(output: str, summary: str):
    assert python(f"import sys; sys.stdout.write({output!r}); sys.exit(1)").summary == summary


def test_a_program_that_is_not_installed_is_missing_and_nothing_is_raised(tmp_path: Path):
    result = run("chainwright-no-such-program", "-t")
    assert (result.ok, result.missing, result.exit_code) == (False, True, None)
    assert result.summary == "chainwright-no-such-program: No such file or directory"
    (tmp_path / "file").write_text("")
    assert run(str(tmp_path / "file" / "program")).missing
    assert run(str(tmp_path / "file")).summary == f"{tmp_path / 'file'}: Permission denied"


def test_a_file_that_is_no_program_is_a_failure_and_not_missing(tmp_path: Path):
    odd = tmp_path / "odd"
    odd.write_bytes(b"\x7fELF nonsense")
    odd.chmod(0o755)
    result = run(str(odd))
    assert (result.ok, result.missing, result.summary) == (False, False, f"{odd}: Exec format error")
    assert not run("true", "x" * 3_000_000).ok


# Timeouts


def test_a_command_that_takes_too_long_is_killed_with_all_its_children(tmp_path: Path):
    pids = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "print('waiting', flush=True); time.sleep(600)"
    )
    result = python(script, timeout=2.0)
    assert (result.ok, result.timed_out, result.exit_code) == (False, True, None)
    assert result.summary == "no answer within 2 s"
    assert result.output == "waiting\n"
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: not alive(pid))


def test_a_daemon_that_stays_behind_does_not_keep_the_agent_waiting(tmp_path: Path):
    pid_file = tmp_path / "pid"
    script = (
        "import subprocess\n"
        "daemon = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(pid_file)!r}, 'w').write(str(daemon.pid)); print('started', flush=True)"
    )
    result = python(script, timeout=60.0)
    pid = process_of(pid_file)
    assert pid is not None
    try:
        assert (result.ok, result.timed_out, result.output) == (True, False, "started\n")
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_daemon_that_left_its_group_does_not_keep_the_agent_waiting_after_a_timeout(tmp_path: Path):
    pid_file = tmp_path / "pid"
    script = (
        "import subprocess, time\n"
        "daemon = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(pid_file)!r}, 'w').write(str(daemon.pid)); time.sleep(600)"
    )
    result = python(script, timeout=2.0)
    pid = process_of(pid_file)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert result.timed_out


def test_the_end_of_a_long_output_is_kept():
    result = python("import sys; sys.stdout.write('a' * 100_000 + 'ü' * 20_000); sys.stderr.write('the end')")
    assert len(result.output) == OUTPUT_LIMIT
    assert result.output.endswith("üüüthe end")
    assert set(result.output) == set("üthe nd")


def test_output_that_is_no_text_is_shown_all_the_same():
    assert python("import os; os.write(1, b'a\\xffb')").output == "a\N{REPLACEMENT CHARACTER}b"


# Signals


@pytest.fixture
def sleeper(tmp_path: Path):
    process = subprocess.Popen(["sleep", "600"])
    (tmp_path / "pid").write_text(f"{process.pid}\nmore lines, as postfix writes them\n")
    yield process
    process.kill()
    process.wait()


def test_a_signal_goes_to_the_process_of_the_pid_file(tmp_path: Path, sleeper):
    result = SystemRunner().run(Signal(tmp_path / "pid", name="USR1"))
    assert (result.ok, result.exit_code) == (True, 0)
    assert sleeper.wait(LONGEST_WAIT) == -signal.SIGUSR1
    gone = SystemRunner().run(Signal(tmp_path / "pid", name="USR1"))
    assert (gone.ok, gone.missing) == (False, True)
    assert gone.summary == f"no process has the number in {tmp_path / 'pid'}"


@pytest.mark.parametrize("content", ["", "none", "0", "-1", "-7", "99999999999999999999", "\xff", None])
def test_a_pid_file_that_names_no_process_harms_nobody(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "pid").write_bytes(content.encode("latin-1"))
    assert process_of(tmp_path / "pid") is None
    assert SystemRunner().run(Signal(tmp_path / "pid", name="KILL")).missing


def test_a_signal_that_does_not_exist_is_refused_at_once():
    with pytest.raises(ValueError, match='there is no signal "RELOAD"'):
        Signal(Path("/run/x.pid"), name="RELOAD")
    assert str(Signal(Path("/run/x.pid"))) == "SIGHUP to the process of /run/x.pid"


def test_a_process_of_another_user_lives_but_can_not_be_signalled():
    script = (
        "import os; from pathlib import Path; from agent.system.command import Signal, SystemRunner\n"
        "from agent.system.processes import process_of\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "file = Path('/proc/1/stat')\n"  # begins with the number, and everybody may read it
        "print(process_of(file), SystemRunner().run(Signal(file, name='CONT')).summary)"
    )
    # A session of its own: within one session, CONT may be sent to anybody's process (kill(2)).
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, start_new_session=True
    )
    assert said.stdout == "1 process 1: Operation not permitted\n"
