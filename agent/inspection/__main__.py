"""The process of one inspection: ``python -m agent.inspection SECONDS BYTES`` reads a question and writes answers.

Nobody but `agent.inspection.confined` starts it. A line ``{"at": PLACE}`` says what is being opened; the last line is the result.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InternalError

from agent.errors import AgentError
from agent.inspection.diagnosis import diagnose, diagnose_root
from agent.inspection.messages import Question, diagnosis_row, error_row, root_row
from agent.pki.anchors import Anchors, load_anchors
from agent.pki.certificate import load_certificates
from agent.system.layout import Layout
from agent.system.prctl import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, set_of_process

OUT_OF_MEMORY = b"malloc failure"
"""Reason of OpenSSL (ERR_R_MALLOC_FAILURE)."""


def main(seconds: int, octets: int) -> None:
    """Answer the question on standard input, within that CPU time and that much memory."""
    _confine(seconds, octets)
    _say(_answer(Question.from_json(sys.stdin.buffer.read())))


def _confine(seconds: int, octets: int) -> None:
    """Limit this process: its time and memory; no file is written, no core dumped, no privilege gained."""
    set_of_process(PR_SET_DUMPABLE, 0)
    set_of_process(PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # SIGXCPU tells it from other ends
    for limit, most in ((resource.RLIMIT_AS, octets), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))


def _answer(question: Question) -> dict[str, Any]:
    try:
        return _found(question)
    except AgentError as error:
        return {"error": error_row(error)}
    except MemoryError:
        return {"exhausted": "memory"}
    except InternalError as error:
        exhausted = any(each.reason_text == OUT_OF_MEMORY for each in error.err_code or ())
        return {"exhausted": "memory"} if exhausted else {"failed": _location(error)}
    except Exception as error:  # a parser's message may quote the key, so that only the place is told
        return {"failed": _location(error)}


def _found(question: Question) -> dict[str, Any]:
    if question.authority:
        root = diagnose_root(question.files, passphrase=question.passphrase, now=question.now, opening=_opening)
        return {"root": root_row(root)}
    found = diagnose(
        question.files,
        passphrase=question.passphrase,
        anchors=_anchors(question),
        now=question.now,
        wanted=question.wanted,
        opening=_opening,
    )
    return {"diagnosis": diagnosis_row(found)}


def _anchors(question: Question) -> Anchors:
    if question.appliance is None:
        return Anchors()
    own = load_certificates(question.own.encode()) if question.own else ()
    return load_anchors(Layout(question.appliance), own=own)


def _opening(place: str) -> None:
    _say({"at": place})


def _location(error: Exception) -> str:
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    at = f"{Path(traceback.tb_frame.f_code.co_filename).name} line {traceback.tb_lineno}" if traceback else "nowhere"
    return f"{type(error).__name__} in {at}"


def _say(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
