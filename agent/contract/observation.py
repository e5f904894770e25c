"""Lines that an `observe` command prints: a JSON object each, about the service as it runs.

Cheap to import: a plugin's program that prints them runs once a minute.
"""

from __future__ import annotations

import json


def state_line(
    subject: str, state: str, why: str = "", *, severity: str = "", fix: str = "", mend: bool = False
) -> str:
    """Return the line of a state: ``tunnel north`` is ``down``.

    `why`: a clause, without anything that is another one at each look. `severity`: ``notice``, ``warning`` or ``error`` where
    somebody should know; empty: it is shown, and nothing more. `fix`: the next step, a sentence. `mend`: whether
    `Module.mend_command` or `Service.mend_command` returns what ends it.
    """
    return _line(state=state, subject=subject, why=why, severity=severity, fix=fix, mend=mend)


def finding_line(subject: str, severity: str, cause: str, fix: str = "") -> str:
    """Return the line of a finding: a `severity` as above, its `cause` and the next step as sentences."""
    return _line(finding=severity, subject=subject, why=cause, fix=fix)


def differs_line(why: str, fix: str = "") -> str:
    """Return the line that says that what runs is not what was deployed: the core has it loaded again. `why`: a clause."""
    return _line(differs=why, fix=fix)


def _line(**values: object) -> str:
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)
