"""Whether an installed sstp-server carries frames: the trial, the repair, and how the check of the module tells it."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.sstp.repair_sstpd import BEFORE, TERMINAL, repair
from plugins.sstp.run_sstpd import TRY_SSTPD, interpreter_of
from support.appliances.sstp import find_sstpd

PASSING = """
class PppDecoder:
    def __init__(self):
        self.octets = b""
    def unescape(self, octets):
        self.octets += octets
        *frames, self.octets = self.octets.split(b"~~~~")
        return frames
def escape(frame):
    return frame + b"~~~~"
"""
ONCE = """
import asyncio
class Protocol(asyncio.SubprocessProtocol):
    number = 0
    def connection_made(self, transport):
        self.write_transport = transport.get_pipe_transport(0)
        Protocol.number += 1
        self.number = Protocol.number
    def write_frame(self, frame):
        self.write_transport.write(frame)
    def pipe_data_received(self, fd, octets):
        if self.number <= SESSIONS:
            self.callback.write_ppp_frames([octets])
    def process_exited(self):
        self.callback.ppp_stopped()
class PPPDProtocolFactory:
    def __init__(self, callback, remote):
        self.callback = callback
    def __call__(self):
        protocol = Protocol()
        protocol.callback = self.callback
        return protocol
"""


def tried(directory: Path, **modules: str) -> str:
    """Return what the trial says of a package `sstpd` with these modules."""
    package = directory / "sstpd"
    package.mkdir()
    (package / "__init__.py").write_text('__version__ = "0.6.0"\n')
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    return said(sys.executable, directory)


def said(python: str, directory: Path) -> str:
    argv = [python, str(TRY_SSTPD), "/the/repair.py", "2"]
    environment = {"PYTHONPATH": str(directory), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=True, timeout=60, cwd=directory)
    assert done.stderr == ""
    return done.stdout.replace(python, "PYTHON")


BUILD = (
    'build it again: "CFLAGS=-DPY_SSIZE_T_CLEAN PYTHON -m pip install --force-reinstall --no-cache-dir '
    '--no-binary sstp-server sstp-server==0.6.0"\n'
)


def test_the_one_that_is_installed_here_carries_frames(tmp_path):
    python = interpreter_of(Path(find_sstpd()))
    assert python is not None
    assert said(python, tmp_path) == ""


def test_a_codec_that_fails_is_told_with_its_own_words(tmp_path):
    codec = PASSING + "def escape(frame):\n    raise SystemError(\"macro must be defined for '#' formats\")\n"
    assert tried(tmp_path, codec=codec) == (
        f"its codec fails at every frame: SystemError: macro must be defined for '#' formats; {BUILD}"
    )


def test_a_codec_that_changes_frames_is_told(tmp_path):
    codec = PASSING + "def escape(frame):\n    return frame[1:] + b'~~~~'\n"
    assert tried(tmp_path, codec=codec) == f"its codec changes the frames; {BUILD}"


def test_sessions_after_the_first_that_get_nothing_are_told(tmp_path):
    ppp = ONCE.replace("SESSIONS", "1")
    assert tried(tmp_path, codec=PASSING, ppp=ppp) == (
        'its sessions after the first get no frames; repair it: "PYTHON /the/repair.py"\n'
    )


@pytest.mark.parametrize("modules", [{}, {"codec": "other = 1\n"}, {"codec": PASSING, "ppp": "other = 1\n"}])
def test_nothing_is_said_of_a_version_that_is_not_known(tmp_path, modules):
    assert tried(tmp_path, **modules) == ""


# The repair


PUBLISHED = (
    f"{TERMINAL}object):\n    def connection_lost(self):\n{BEFORE}        finally:\n            self.done = True\n"
)


def test_both_ends_of_a_terminal_are_closed_before_its_descriptors(tmp_path):
    path = tmp_path / "ppp.py"
    path.write_text("import os\n" + PUBLISHED)
    path.chmod(0o640)
    repair(path, hashlib.sha256(path.read_bytes()).hexdigest())
    names: dict = {}
    exec(compile(path.read_text(), path, "exec"), names)

    class End:
        closed = False

        def close(self) -> None:
            self.closed = True

    session = names["PTYReceiver"]()
    session.read_transport, session.write_transport, session.slave_fd = End(), None, -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        session.connection_lost()
    assert session.read_transport.closed
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_repaired_one_and_one_without_terminals_are_left_alone(tmp_path):
    path = tmp_path / "ppp.py"
    for text in (PUBLISHED, "no terminals\n", PUBLISHED.replace("try:", "self.read_transport.close()\n        try:")):
        path.write_text(text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        repair(path, digest)
        once = path.read_text()
        repair(path, digest)
        assert path.read_text() == once
        assert (once != text) == (text is PUBLISHED)


def test_a_file_that_this_was_not_written_for_is_not_touched(tmp_path):
    path = tmp_path / "ppp.py"
    path.write_text(PUBLISHED)
    with pytest.raises(SystemExit) as caught:
        repair(path)
    assert caught.value.code == f"error: {path} is not that of sstp-server 0.7.2, so it was not repaired"
    assert path.read_text() == PUBLISHED
    assert list(tmp_path.iterdir()) == [path]


# Whose Python tries it


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("#!/bin/sh\nexec something\n", None),
        ("\x7fELF", None),
        ("", None),
        ("#!", None),
        ("#! PYTHON -I\n", "PYTHON"),
        ("#!/usr/bin/env -S PYTHON -I\n", "PYTHON"),
        ("#!/bin/sh\n'''exec' \"PYTHON\" \"$0\" \"$@\"\n' '''\n", "PYTHON"),
        ("#!/bin/sh\n'''exec' \"PYTHON\n", None),
        ("#!/nowhere/python3\n", None),
    ],
)
def test_the_python_of_a_script_is_found_by_its_first_lines(tmp_path, head, found):
    script = tmp_path / "sstpd"
    script.write_text(head.replace("PYTHON", sys.executable))
    assert interpreter_of(script) == (found and sys.executable)
