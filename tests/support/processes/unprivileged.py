"""Runs a pass as another user: `unprivileged.py ROOT UID GID WARM OFFSET_SECONDS`. Prints the outcomes as JSON.

The interpreter and its packages may stand where that user can't read them, so everything is imported beforehand, by a
renewal of what the appliance at WARM serves, OFFSET_SECONDS from now.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # drop-in plugins of tests import what tests share

from agent.engine.engine import Engine
from agent.store import Store
from agent.system.layout import Layout


def main() -> None:
    root, user, group, warm = sys.argv[1:5]
    offset = timedelta(seconds=float(sys.argv[5]))
    Engine(Layout(Path(warm)), clock=lambda: datetime.now(UTC) + offset, who="warm").apply(wait=0)
    os.setgroups([])
    os.setresgid(int(group), int(group), int(group))
    os.setresuid(int(user), int(user), int(user))
    layout = Layout(Path(root))
    Engine(layout, who="unprivileged").apply(wait=0)
    with Store.open(layout) as store:
        deployments = store.deployments.all().values()
        problems = {each.module: each.problem.lines() if each.problem else [] for each in deployments}
        json.dump({each.module: [each.outcome, problems[each.module]] for each in deployments}, sys.stdout)


if __name__ == "__main__":
    main()
