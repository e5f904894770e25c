"""Daemons that the agent starts, where it is a unit of systemd: they get a unit of their own."""

import os
from pathlib import Path

import pytest

from agent.system.command import Command, SystemRunner
from agent.system.environment import TO_US
from agent.system.transient_unit import is_in_unit

WORD = """two words, "quoted", 'so', $HOME, `id` and \\\\"""
SYSTEMD_RUN = r"""#!/bin/sh
# As systemd-run: what is started writes where the properties say.
echo "$@" >"${0%/*}/seen"
for each; do
    case "$each" in
        --property=StandardOutput=append:*) out=${each#*append:};;
        --property=StandardError=append:*) err=${each#*append:};;
        --property=EnvironmentFile=*) set -a; . "${each#*EnvironmentFile=}"; set +a;;
        --) break;;
    esac
    shift
done
shift
"$@" >>"$out" 2>>"$err" || { echo "Job for run-u1.service failed." >&2; exit 1; }
"""


@pytest.fixture
def systemd_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "systemd-run"
    program.write_text(SYSTEMD_RUN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


@pytest.mark.root
def test_the_agent_knows_whether_systemd_has_started_it(tmp_path):
    assert is_in_unit({"INVOCATION_ID": "0123"}, tmp_path)
    assert not is_in_unit({}, tmp_path)
    assert not is_in_unit({"INVOCATION_ID": "0123"}, tmp_path / "not booted by systemd")


@pytest.mark.root
def test_what_stays_is_started_by_systemd_and_its_words_come_back(systemd_run, monkeypatch):
    script = "echo started; printf '%s\\n' \"$WORD\"; echo 'error: port is taken' >&2; exit 3"
    command = Command(("sh", "-c", script), environment={"WORD": WORD}, stays=True)
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    alone = SystemRunner(booted=systemd_run.parent).run(command)
    assert (alone.exit_code, alone.output) == (3, f"started\n{WORD}\nerror: port is taken\n")
    monkeypatch.setenv("INVOCATION_ID", "0123")
    done = SystemRunner(booted=systemd_run.parent).run(command)
    assert (done.exit_code, done.output) == (1, f"{alone.output}Job for run-u1.service failed.\n")
    assert done.summary == "error: port is taken"
    assert "quoted" not in (systemd_run.parent / "seen").read_text(), "every user may read what systemd-run is given"


def test_what_the_agent_runs_does_not_speak_to_systemd_in_its_name(monkeypatch):
    for name in TO_US:
        monkeypatch.setenv(name, "the agent's")
    assert "the agent's" not in SystemRunner().run(Command(("env",))).output
