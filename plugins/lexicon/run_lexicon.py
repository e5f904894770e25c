"""Runs dns-lexicon, in a process of its own: it has the wish on stdin, and prints ``{}``, or what failed.

The library and what it brings stay out of the agent, and secrets out of arguments and environment. The zone is found by the
system's resolver: what the library knows by heart, a list of public suffixes, makes it write into the wrong zone and say that
all is well.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

PASSING = {408, 425, 429}
"""Of a client's errors, those that pass."""


def run(wish: dict[str, Any]) -> dict[str, str]:
    """Create or delete the records; return what failed first, or nothing."""
    try:
        from lexicon.client import Client
        from lexicon.config import ConfigResolver
    except ModuleNotFoundError:
        return {"missing": "dns-lexicon"}
    for owner, value in wish["records"]:
        settings = {
            "provider_name": wish["provider"],
            "domain": owner,
            "resolve_zone_name": True,
            "ttl": wish["ttl"],
            wish["provider"]: wish["options"],
        }
        try:
            with Client(ConfigResolver().with_dict(settings)) as operations:
                if wish["deed"] == "create":
                    done = operations.create_record("TXT", owner, value)
                else:
                    done = operations.delete_record(None, "TXT", owner, value)
            if not done:
                return {"owner": owner, "kind": "False", "reason": "the library says no more than that"}
        except Exception as error:
            refused = "yes" if _is_refusal(error) else ""
            return {"owner": owner, "kind": type(error).__name__, "reason": str(error), "refused": refused}
    return {}


def _is_refusal(error: Exception) -> bool:
    """Whether the service said no, so that the same again is of no use: a status of HTTP, or what the library calls so."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return 400 <= status < 500 and status not in PASSING
    return type(error).__name__ == "AuthenticationError"


def main() -> None:
    """Read, run, print."""
    wish = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        answer = run(wish)
    print(json.dumps(answer))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
