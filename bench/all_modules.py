"""(h) A pass that changes the chain of all modules, beside the bare reloads of their services, one after the other.

Both are timed until a handshake at each endpoint shows the other chain. The bare reload switches to the generation before by
hand. Each transaction alone shows what running them in parallel gains.
python bench/all_modules.py [TIMES]      needs nginx, postfix and dovecot
"""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance import NGINX, Appliance, appliance, free_port, stop, timed, wait_for
from one_chain import PAUSE, presented

from agent.engine.engine import Engine
from agent.operations.locked_state import locked_state
from agent.operations.reissue import reissue
from agent.system.layout import Layout

SITES = [f"s{number}.example.test" for number in range(10)]
PORTAL, MAIL, PAGE = "portal.example.test", "mail.example.test", "gw.example.test"
DOORS = ("smtp", "submission", "smtps", "imap", "imaps", "pop3", "pop3s")
OWN = 'main = "own"\nmanager = "commands"\nstart = true\n'
LONGEST = 60.0
"""Seconds."""

Doors = Sequence[tuple[int, str]]
"""Port and name."""


class Gateway:
    """All modules on services of their own."""

    def __init__(self, made: Appliance) -> None:
        self.layout = Layout(made.root)
        self.ports = {door: free_port() for door in ("https", "http", "portal", "page", *DOORS)}
        at = {door: f"127.0.0.1:{port}" for door, port in self.ports.items()}
        sites = "".join(
            f'[[modules.reverse_proxy.sites]]\ndomains = ["{each}"]\nupstream = "http://127.0.0.1:9"\n'
            for each in SITES
        )
        made.settings(
            'addresses = ["127.0.0.1"]\nsources = ["uploaded", "local"]',
            f'[services.nginx]\n{OWN}binary = "{NGINX}"\nuser = "www-data"\n[services.postfix]\n{OWN}[services.dovecot]\n{OWN}',
            f'[services.webui]\nmanager = "commands"\n[modules.webui]\nlisten = "{at["page"]}"\ndomain = "{PAGE}"',
            'run_as = "root"',
            f'[modules.web_auth]\ndomain = "{PORTAL}"\nupstream = "http://127.0.0.1:9"',
            f'listen = "{at["portal"]}"\nlisten_http = "127.0.0.1:{free_port()}"',
            f'[modules.reverse_proxy]\nlisten = ["{at["https"]}"]\nlisten_http = ["{at["http"]}"]\n{sites}',
            f'[modules.mail]\nhostname = "{MAIL}"\n' + "\n".join(f'{door} = "{at[door]}"' for door in DOORS),
        )

    @property
    def live(self) -> dict[str, tuple[list[Path], Callable[[], object], Doors]]:
        """Return the links to switch together, the reload, and the endpoints that show it."""
        modules, services, run = self.layout.modules, self.layout.services, self.layout.run
        postfix = ["/usr/sbin/postfix", "-c", str(modules / "mail/live/postfix"), "reload"]

        def mail() -> None:
            subprocess.run(postfix, check=True, capture_output=True)
            hang_up(run / "dovecot/master.pid")

        nginx = [modules / "reverse_proxy/live", modules / "web_auth/live", services / "nginx/live"]
        secure = [(self.ports[door], MAIL) for door in ("smtps", "imaps", "pop3s")]
        web = [*((self.ports["https"], each) for each in SITES), (self.ports["portal"], PORTAL)]
        return {
            "nginx": (nginx, lambda: hang_up(run / "nginx.pid"), web),
            "mail": ([modules / "mail/live", services / "dovecot/live"], mail, secure),
            "webui": (
                [modules / "webui/live"],
                lambda: hang_up(run / "webui.pid"),
                [(self.ports["page"], PAGE)],
            ),
        }

    @property
    def doors(self) -> Doors:
        return [door for _links, _reload, doors in self.live.values() for door in doors]


def hang_up(pid_file: Path) -> None:
    os.kill(int(pid_file.read_text()), signal.SIGHUP)


def seen(doors: Doors) -> dict[tuple[int, str], str]:
    return {(port, name): presented(port, name) for port, name in doors}


def until_changed(before: Mapping[tuple[int, str], str]) -> None:
    """Wait until each endpoint shows another chain than before."""
    deadline = time.monotonic() + LONGEST
    left = list(before)
    while left:
        assert time.monotonic() < deadline, f"not changed: {left}"
        left = [door for door in left if presented(*door) == before[door]]
        if left:
            time.sleep(PAUSE)


def other(link: Path) -> str:
    """Return the newest generation that isn't in service; the one that is, where there is no other."""
    here = link.resolve().name
    numbers = [int(each.name) for each in link.parent.iterdir() if each.name.isdigit() and each.name != here]
    return str(max(numbers)) if numbers else here


def by_hand(links: Sequence[Path], reload: Callable[[], object], doors: Doors) -> float:
    """Switch to another generation and back, and return the seconds that the first took."""
    before, targets = seen(doors), [(link, link.resolve().name, other(link)) for link in links]
    taken = 0.0
    for which in (2, 1):
        begin = time.perf_counter()
        for target in targets:
            point(target[0], target[which])
        reload()
        until_changed(before)
        taken = time.perf_counter() - begin if which == 2 else taken
        before = seen(doors)
    return taken


def point(link: Path, target: str) -> None:
    beside = link.with_name("beside")
    beside.symlink_to(target)
    beside.rename(link)


def changed(engine: Engine, doors: Doors) -> float:
    """Ask for new chains, and return the seconds until all that was asked for is served."""
    names = {name for _port, name in doors}
    before = seen(doors)
    with locked_state(engine) as state:
        reissue(state, sorted(names))
    begin = time.perf_counter()
    engine.apply()
    until_changed(before)
    return time.perf_counter() - begin


@contextmanager
def page(made: Appliance) -> Iterator[None]:
    """Run the process of the web interface."""
    argv = made.command("webui", "--pid-file", str(made.root / "run/chainwright/webui.pid"))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            yield
        finally:
            running.terminate()


@contextmanager
def stopped(layout: Layout) -> Iterator[None]:
    """Stop postfix and dovecot at the end."""
    try:
        yield
    finally:
        for pid_file in (
            layout.root / "var/spool/chainwright-postfix/pid/master.pid",
            layout.run / "dovecot/master.pid",
        ):
            if pid_file.exists():
                stop(int(pid_file.read_text()))


def main(times: int) -> None:
    with appliance() as made:
        made.root.parent.chmod(0o755)  # postfix and nginx's workers are users of their own
        gateway = Gateway(made)
        engine = Engine(gateway.layout)
        first = timed(engine.apply)
        with page(made), stopped(gateway.layout):
            wait_for(lambda: seen(gateway.doors))
            engine.apply()
            changed(engine, gateway.doors)
            taken: dict[str, list[float]] = {}
            for _ in range(times):
                for name, (links, reload, doors) in gateway.live.items():
                    taken.setdefault(f"bare reload of {name}", []).append(by_hand(links, reload, doors))
                    taken.setdefault(f"a pass for {name} alone", []).append(changed(engine, doors))
                taken.setdefault("a pass for all", []).append(changed(engine, gateway.doors))
    median = {name: statistics.median(each) for name, each in taken.items()}
    bare = sum(each for name, each in median.items() if name.startswith("bare"))
    alone = sum(each for name, each in median.items() if name.endswith("alone"))
    for name, seconds in {**median, "sum of the bare reloads": bare, "sum of the passes alone": alone}.items():
        print(f"{name:<32} {seconds * 1000:7.0f} ms")
    print(f"all against the bare reloads: {median['a pass for all'] / bare:.2f} x,", end=" ")
    print(f"against one after the other: {median['a pass for all'] / alone:.2f} x (first apply: {first:.1f} s)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
