"""Mail under many names: the first pass, one with nothing to do, and the renewal of all chains at once.

python bench/mail.py [NAMES]
"""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance import free_port, stop

from agent.engine.engine import Engine
from agent.system.command import Action, CommandResult, SystemRunner
from agent.system.layout import Layout

DOORS = ("smtp", "submission", "smtps", "imap", "imaps", "pop3", "pop3s")


class Timed:
    """Runs commands, and keeps what each takes."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, float, str]] = []
        self._begun = time.monotonic()

    def run(self, action: Action) -> CommandResult:
        begun = time.monotonic()
        result = SystemRunner().run(action)
        shown = next((word for word in str(action).split() if word.endswith(".py")), str(action))
        self.taken.append((begun - self._begun, time.monotonic() - begun, Path(shown.split()[0]).name))
        return result


def settings(names: int) -> str:
    listed = ", ".join(f'"m{number}.many.test"' for number in range(names - 1))
    where = "\n".join(f'{door} = "127.0.0.1:{free_port()}"' for door in DOORS)
    own = 'main = "own"\nmanager = "commands"\nstart = true\n'
    return (
        'hostname = "gw"\naddresses = ["127.0.0.1"]\nsources = ["uploaded", "local"]\n'
        f"[services.postfix]\n{own}[services.dovecot]\n{own}"
        f'[modules.mail]\nhostname = "mail.example.test"\nkey_type = "ecdsa-p256"\ndomains = [{listed}]\n{where}\n'
    )


def main(names: int) -> None:
    with tempfile.TemporaryDirectory(prefix="chainwright-bench-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        layout = Layout(root)
        layout.settings.parent.mkdir(parents=True)
        layout.settings.write_text(settings(names))
        later = timedelta()
        try:
            for what in ("first", "nothing to do", "all renewed"):
                later += timedelta(days=61) if what == "all renewed" else timedelta()
                measure(what, layout, later)
        finally:
            for pid_file in root.rglob("master.pid"):
                stop(int(pid_file.read_text()))


def measure(what: str, layout: Layout, later: timedelta) -> None:
    runner = Timed()
    begun = time.monotonic()
    engine = Engine(layout, clock=lambda: datetime.now(UTC) + later, runner=runner, listeners=(), who="bench")
    engine.apply(wait=0)
    print(f"{what}: {time.monotonic() - begun:.1f} s")
    for at, seconds, command in runner.taken:
        print(f"    at {at:5.1f} s, for {seconds:4.1f} s: {command}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
