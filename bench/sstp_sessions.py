"""What of a session of SSTP survives: a renewal, another root, a restart by hand, and files that are replaced without one.

A client sends a datagram through its tunnel every 10 ms and gets it back, until its connection ends; then it dials at once and
again, until a datagram comes back. A second one has got as far as its call. On the sstp-server of ./test, with slirp for PPP.
python bench/sstp_sessions.py [TIMES]
"""

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from agent.operations.root import reissue_root
from support.appliances.sstp import DOMAIN, SSTPAppliance, is_over
from support.clients.sstp import Dialled, Ended
from support.waiting import until

EVERY = 0.01
QUIET = 0.3
"""Seconds of traffic after a change that ends nothing."""


@dataclass
class Client:
    """One that talks until it is cut off, and comes back."""

    box: SSTPAppliance
    port: int
    last: float = 0
    ended: float = 0
    back: float = 0
    calm: bool = False

    def work(self) -> None:
        try:
            with self.dialled() as tunnel:
                while not self.calm:
                    tunnel.echo(self.port, b"x" * 64)
                    self.last = time.monotonic()
                    time.sleep(EVERY)
        except (Ended, OSError):
            self.ended = time.monotonic()
            self.return_()

    def return_(self) -> None:
        while not self.back:
            with suppress(Ended, OSError, AssertionError), self.dialled() as tunnel:
                tunnel.echo(self.port, b"back")
                self.back = time.monotonic()

    @contextmanager
    def dialled(self) -> Iterator[Dialled]:
        with self.box.connect() as stream:
            tunnel = Dialled(stream)
            tunnel.call(DOMAIN)
            tunnel.open()
            yield tunnel


def renew(box: SSTPAppliance) -> None:
    box.renew()
    box.apply()


def change_root(box: SSTPAppliance) -> None:
    box.change(reissue_root)
    box.apply()


def restart(box: SSTPAppliance) -> None:
    box.kill()
    box.start_service()


def replace_files(box: SSTPAppliance) -> None:
    """As a renewal does that waits for its window: the files are new, the process is not."""
    other = box.other_pair()
    live = box.layout.module("sstp").live
    for name, path in (("fullchain.pem", other.chain_file), ("key.pem", other.key_file)):
        (live / name).unlink()
        (live / name).write_bytes(path.read_bytes())


CHANGES: dict[str, Callable[[SSTPAppliance], None]] = {
    "renewal": renew,
    "root change": change_root,
    "restart": restart,
    "files replaced, no restart": replace_files,
}


def once(change: Callable[[SSTPAppliance], None], port: int) -> tuple[float, float, bool]:
    """Return how long a tunnel was cut off before its client knew, until it was back, and whether a bare call has ended too."""
    with SSTPAppliance.make() as box:
        box.with_sstpd()
        box.bring_up()
        client = Client(box, port)
        thread = threading.Thread(target=client.work)
        with box.session() as calling:
            thread.start()
            until(lambda: client.last, what="the first datagram")
            change(box)
            time.sleep(QUIET)
            client.calm = True
            thread.join(30)
            calling.settimeout(QUIET)
            try:
                over = is_over(calling)
            except TimeoutError:
                over = False
    return (client.ended - client.last, client.back - client.ended, over) if client.ended else (0.0, 0.0, over)


def main(times: int = 5) -> None:
    with socket(AF_INET, SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while (received := server.recvfrom(2000))[0] != b"end":
                server.sendto(*received)

        thread = threading.Thread(target=answer)
        thread.start()
        for name, change in CHANGES.items():
            seen = [once(change, server.getsockname()[1]) for _ in range(times)]
            dropped = sum(back > 0 for _, back, _ in seen)
            calls = sum(over for *_, over in seen)
            told, back = (statistics.median(each) for each in zip(*[row[:2] for row in seen], strict=True))
            print(
                f"{name:<28} tunnels {dropped} of {times}  calls {calls} of {times}  told {told:.3f} s  back {back:.3f} s"
            )
        server.sendto(b"end", server.getsockname())
        thread.join()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
