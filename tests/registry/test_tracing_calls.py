"""The trace of calls of plugins: who, what, how long, and what kind of thing came back; never a value."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.tracing import VARIABLE, HookTrace, described
from support.clients.terminal import Terminal

ASKED = Asked("tunnel", "declare_needs", "the module tunnel")


def traced(work, asked: Asked = ASKED) -> str:
    lines: list[str] = []
    guard = Guard(trace=HookTrace(lines.append), say=lambda _text: None)
    with suppress(PluginFailed):
        guard.call(asked, work)
    (line,) = lines
    return re.sub(r"^ *\d+\.\d ms", "N ms", line)


def test_a_line_tells_plugin_hook_subject_and_type():
    assert traced(lambda: [b"secret"]) == "N ms  plugin tunnel: declare_needs of the module tunnel: 1 bytes"


def test_those_that_wrap_are_named():
    asked = ASKED._replace(others=("rsa_only",))
    expected = "N ms  plugin tunnel: declare_needs of the module tunnel, wrapped by rsa_only: nothing"
    assert traced(lambda: None, asked) == expected


def test_what_is_raised_is_told_by_its_type_alone():
    def fails():
        raise ValueError("the password is secret")

    assert traced(fails) == "N ms  plugin tunnel: declare_needs of the module tunnel: raised ValueError"


def test_a_call_in_the_same_thread_is_told_too():
    lines: list[str] = []
    assert Guard(trace=HookTrace(lines.append)).here(ASKED, lambda: 7) == 7
    assert lines[0].endswith(" ms  plugin tunnel: declare_needs of the module tunnel: int")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "nothing"),
        ([], "none"),
        ("a secret", "str"),
        ((1, "a", 2), "2 int, 1 str"),
        ({"token": "secret"}, "dict"),
        ([[Asked], [Guard, "a secret"]], "1 Asked, 1 Guard, 1 str"),
    ],
)
def test_an_answer_is_told_by_type_and_number(answer, told):
    assert described(answer) == told


def test_a_command_tells_on_standard_error(tunnel):
    done = Terminal(tunnel.root).run("--trace-hooks", "plan")
    assert done.returncode == 0
    assert re.search(
        r'^ +\d+\.\d ms  plugin tunnel: register_modules of plugin "tunnel": 1 ', done.stderr, re.MULTILINE
    )
    assert " ms  plugin" not in done.stdout


def test_a_file_gets_what_several_commands_tell(tunnel, tmp_path):
    file = tmp_path / "calls.txt"
    for _ in range(2):
        done = Terminal(tunnel.root).run(f"--trace-hooks={file}", "plan")
        assert (done.returncode, done.stderr) == (0, "")
    lines = file.read_text().splitlines()
    assert sum('register_modules of plugin "tunnel"' in line for line in lines) == 2


def test_the_environment_asks_for_it_as_well(tunnel):
    assert "register_modules" in Terminal(tunnel.root).run("plan", **{VARIABLE: "-"}).stderr


def test_a_file_that_cannot_be_written_is_said(tunnel, tmp_path):
    done = Terminal(tunnel.root).run(f"--trace-hooks={tmp_path / 'no/such'}", "plan")
    assert (done.returncode, done.stderr) == (
        2,
        (
            f"Error: Invalid value for '--trace-hooks': {tmp_path / 'no/such'}: no such file or directory.\n"
            "See: chainwright --help\n"
        ),
    )
