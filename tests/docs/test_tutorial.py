"""The tutorial of the plugins, followed to the letter: each file is written, each command typed, each line of output seen."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.paths import CHECKOUT
from support.ports import free_port

PAGE = CHECKOUT / "docs/plugins/tutorial.md"
PLACE = "/src/chainwright"
PORT = "9993"
BLOCK = re.compile(
    r"(?:^`(?P<file>try/[^`]+)`[^\n]*:\n\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
MARK = "=== next"
WAIT = "for _ in $(seq 200); do [ -e try/run/chainwright/tunnel.pid ] && break; sleep 0.05; done"
VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?"), "DATE"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\bin [\d.]+s$", re.MULTILINE), "in SPAN"),
    (re.compile(r"\b\d+ (second|minute|hour|day)s?\b"), "SPAN"),
    (re.compile(r"\bSPAN ago\b|\bnow\b"), "WHEN"),
    (re.compile(r"\b\d+ checks\b"), "CHECKS"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass
class Typed:
    """One command and what it prints."""

    command: str
    output: str


def steps(text: str) -> Iterator[Typed]:
    for block in BLOCK.finditer(text):
        if block["kind"] == "console":
            for typed in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, output = typed.partition("\n")
                yield Typed(command, output)
        else:
            assert block["file"], f"no path for {block['text'][:60]!r}"
            yield Typed(f"cat >{block['file']} <<'END'\n{block['text']}END", "")


def script(typed: list[Typed]) -> str:
    lines = []
    for each in typed:
        lines += [each.command + (f"\n{WAIT}" if each.command.endswith("&") else ""), f"echo '{MARK}'"]
    return "\n".join(lines)


def told(text: str) -> str:
    for pattern, word in VARIABLE:
        text = pattern.sub(word, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def rewrite(typed: list[Typed], printed: list[str], port: str) -> None:
    """Put what was printed into the page, where it differs."""
    text, place = PAGE.read_text(), 0
    for each, output in zip(typed, printed, strict=False):
        if each.command.startswith("cat >"):
            continue
        before, after = (f"$ {each.command}\n{some}".replace(port, PORT) for some in (each.output, output))
        place = text.index(before, place)
        if told(output) != told(each.output):
            text = f"{text[:place]}{after}{text[place + len(before) :]}"
            each.output = output
        place += 1
    PAGE.write_text(text)


@pytest.fixture
def checkout(tmp_path: Path):
    """A directory with as much of a checkout as the tutorial uses."""
    place = tmp_path / "checkout"
    place.mkdir()
    (place / ".venv").symlink_to(sys.prefix)
    (place / "run").write_text(f'#!/bin/sh\nexec {sys.executable} -m agent "$@"\n')
    (place / "run").chmod(0o755)
    yield place
    pid_file = place / "try/run/chainwright/tunnel.pid"
    if pid_file.exists():
        subprocess.run(["kill", pid_file.read_text()], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.timeout(700)  # two dozen processes, one after the other
def test_the_tutorial_does_what_it_says(checkout: Path):
    port = str(free_port())
    typed = list(steps(PAGE.read_text().replace(PORT, port)))
    done = subprocess.run(
        ["bash"],
        input=script(typed),
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=650,
        check=False,
    )
    printed = done.stdout.replace(str(checkout), PLACE).split(f"{MARK}\n")
    if os.environ.get("GOLDEN") == "write":
        rewrite(typed, printed, port)
    for each, output in zip(typed, printed, strict=False):
        assert (each.command, told(output)) == (each.command, told(each.output))
    assert len(printed) == len(typed) + 1
    minutes = printed[-2].split()[0]
    assert int(minutes) < 10
