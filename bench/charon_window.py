"""Window in which a charon that starts refuses all that dial: from its first refusal until it takes the first of them.

Run it as root, with N starts: ``.venv/bin/python bench/charon_window.py 10``. It needs charon-systemd.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from plugins.ikev2.ike.failure import IkeFailure
from plugins.ikev2.ike.handshake import proved_chain
from support.appliances.ikev2 import DOMAIN, IKEv2Appliance

PAUSE = 0.001


def refused_for(appliance: IKEv2Appliance) -> float:
    """Start it, dialling all the time; return for how many milliseconds it refused."""
    argv = appliance.start_argv
    process = threading.Thread(target=lambda: subprocess.run(argv, check=True, timeout=30))
    process.start()
    first = taken = None
    while taken is None:
        try:
            proved_chain("127.0.0.1", appliance.port, time.monotonic() + 0.2, identity=DOMAIN, client="bench")
            taken = time.monotonic()
        except (IkeFailure, OSError) as error:
            if "NO_PROPOSAL_CHOSEN" in str(error) and first is None:
                first = time.monotonic()
            time.sleep(PAUSE)
    process.join()
    return (taken - (first or taken)) * 1000


class Starting(IKEv2Appliance):
    """It knows how the agent starts charon."""

    @property
    def start_argv(self) -> list[str]:
        return next(list(each.argv) for each in self.runner.ran if "ikev2.start" in str(each))


def main(times: int) -> None:
    """Measure, and print."""
    with Starting.make() as appliance:
        appliance.configure()
        appliance.apply()
        argv = appliance.start_argv
        found = []
        for _ in range(times):
            appliance.kill()
            while appliance.answers():
                time.sleep(0.01)
            found.append(refused_for(appliance))
        print(argv[4], " ".join(f"{each:.0f}" for each in found), f"median {statistics.median(found):.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
