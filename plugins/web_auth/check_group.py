"""Comparison of nginx's workers with the group that may read the page: in a wrong one, each request is answered with 404.

Called as ``python -P -m plugins.web_auth.check_group USER GROUP``. Ends with 1 and a sentence where USER isn't in GROUP.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys
from collections.abc import Sequence


def problem(user: str, group: str) -> str:
    """Return what is wrong, empty when the workers are in the group."""
    try:
        groups = os.getgrouplist(user, _gid_of_workers(user))
        wanted = grp.getgrnam(group).gr_gid
    except KeyError:
        return ""  # the name that isn't known is refused with the file that it is for, or by nginx's own test
    if wanted in groups:
        return ""
    return (
        f"nginx's workers run as {user}, who isn't in the group {group} that may read the page: "
        f"set workers_group in [modules.web_auth] to a group of {user}, or user in [services.nginx] to a user of {group}"
    )


def _gid_of_workers(user: str) -> int:
    """Return the group that nginx gives its workers: the one of their name, which has to be there."""
    pwd.getpwnam(user)
    return grp.getgrnam(user).gr_gid


def main(arguments: Sequence[str]) -> int:
    """Say what is wrong. Return the exit code."""
    user, group = arguments
    found = problem(user, group)
    if found:
        sys.stderr.write(f"{found}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
