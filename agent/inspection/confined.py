"""Inspection in a process of its own, with limits: what is uploaded can cost neither time nor memory of the agent.

The process gets the files over one pipe, and answers over another: nothing of a key is in a file, an argument or the environment.
It is a fresh interpreter, as a process with threads must not fork without running another program.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.errors.upload import InspectionFailed, TooCostly
from agent.inspection.material import refuse_too_large
from agent.inspection.messages import Question, diagnosis_of, error_of, root_of

if TYPE_CHECKING:
    from agent.inspection.diagnosis import Diagnosis
    from agent.inspection.input_file import InputFile
    from agent.pki.authority import Root
    from agent.system.layout import Layout

COMMAND = (sys.executable, "-P", "-B", "-m", "agent.inspection")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one inspection. An ordinary one takes 0.2 seconds and 60 MB."""

    processor: int = 10
    """Seconds of CPU time: a PKCS#12 file is opened with 30 million rounds, an RSA key of 8,192 bits checked, in less."""
    memory: int = 512 * 1024 * 1024
    """Bytes of address space."""
    wall: float = 25.0
    """Seconds, on a machine that has other things to do."""


LIMITS = Limits()


def inspect_chain(
    files: Iterable[InputFile],
    *,
    passphrase: bytes | None,
    layout: Layout,
    own: str,
    now: datetime,
    wanted: str = "",
    limits: Limits = LIMITS,
) -> Diagnosis:
    """Return what `diagnose` makes of the files. `own`: the appliance's roots, as PEM.

    Raises what `diagnose` raises; `TooCostly` and `InspectionFailed`.
    """
    question = Question(tuple(files), now, passphrase, wanted=wanted, appliance=layout.root, own=own)
    return diagnosis_of(_asked(question, limits)["diagnosis"])


def inspect_root(
    files: Iterable[InputFile], *, passphrase: bytes | None, now: datetime, limits: Limits = LIMITS
) -> Root:
    """Return what `diagnose_root` makes of the files. Raises what it raises; `TooCostly` and `InspectionFailed`."""
    question = Question(tuple(files), now, passphrase, authority=True)
    return root_of(_asked(question, limits)["root"])


def _asked(question: Question, limits: Limits) -> dict[str, Any]:
    """Return the result of the process. It has ended then, whatever happened."""
    refuse_too_large(question.files)
    argv = [*COMMAND, str(limits.processor), str(limits.memory)]
    try:
        ended = subprocess.run(
            argv,
            input=question.to_json(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback may quote a key
            timeout=limits.wall,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise TooCostly(_last_place(expired.stdout or b""), f"{limits.wall:g} seconds") from None
    except OSError as error:
        raise InspectionFailed("", (error.strerror or str(error)).lower()) from error
    return _result(ended, limits)


def _result(ended: subprocess.CompletedProcess[bytes], limits: Limits) -> dict[str, Any]:
    place = _last_place(ended.stdout)
    if ended.returncode == -signal.SIGXCPU:
        raise TooCostly(place, f"{limits.processor} seconds of computing time")
    row = _rows(ended.stdout)[-1:] or [{}]
    if "exhausted" in row[0]:
        raise TooCostly(place, f"{limits.memory >> 20} MB of memory")
    if "error" in row[0]:
        raise error_of(row[0]["error"])
    if "failed" in row[0] or ended.returncode or "at" in row[0] or not row[0]:
        raise InspectionFailed(place, row[0].get("failed") or _ending(ended.returncode))
    return row[0]


def _rows(output: bytes) -> list[dict[str, Any]]:
    """Return the complete lines."""
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def _last_place(output: bytes) -> str:
    places = [str(row["at"]) for row in _rows(output) if "at" in row]
    return places[-1] if places else ""


def _ending(code: int) -> str:
    return f"its process was ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
