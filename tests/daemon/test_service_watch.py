"""What the supervisor notices of services, and how often it asks for a pass for that."""

import socket
import subprocess

from agent.daemon.service_watch import BURST, PAUSE, ServiceWatch
from support.ports import free_port

CHANGED = "who listens at a port has changed"
ENDED = "a service has ended while a pass was made"


class Watched:
    """A watch on one port, at which anybody may open sockets, with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.port = free_port()
        self.watch = ServiceWatch(lambda _descriptor, _call: lambda: None, clock=lambda: self.now)
        self.watch.follow([self.port], [])

    def passes(self, times: int) -> list[str]:
        """Have a socket come at each look and go before the pass; return what passes were asked for."""
        asked = []
        for _ in range(times):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
                somebody.bind(("127.0.0.1", self.port))
                reason = self.watch.look()
            if reason:
                asked.append(reason)
                self.watch.follow([self.port], [])
        return asked


def test_a_socket_that_comes_and_goes_has_few_passes_made():
    watched = Watched()
    assert watched.passes(3 * BURST) == [CHANGED] * BURST
    watched.now += PAUSE
    assert watched.passes(BURST) == [CHANGED]


def test_what_was_held_back_is_asked_for_later_though_it_is_over():
    watched = Watched()
    watched.passes(BURST + 1)
    assert (watched.watch.look(), watched.watch.changed) == ("", True)
    watched.now += PAUSE
    assert watched.watch.look() == CHANGED
    assert watched.watch.look() == ""


def test_after_a_quiet_while_everything_is_noticed_at_once_again():
    watched = Watched()
    watched.passes(BURST + 1)
    watched.watch.follow([watched.port], [])
    watched.now += BURST * PAUSE
    assert watched.passes(BURST + 1) == [CHANGED] * BURST


def test_a_pass_that_has_looked_leaves_nothing_to_ask_for():
    watched = Watched()
    watched.passes(BURST + 1)
    watched.watch.follow([watched.port], [])
    watched.now += PAUSE
    assert watched.watch.look() == ""


# What ends while a pass is made


def listening(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", port))
    opened.listen()
    return opened


def test_a_service_that_ends_while_a_pass_is_made_is_noticed_after_it():
    watched = Watched()
    with listening(watched.port):
        watched.watch.follow([watched.port], [], [watched.port])
        assert watched.watch.look() == ""
    watched.watch.paused = True
    watched.watch.follow([watched.port], [], [watched.port])
    assert watched.watch.look() == ENDED
    watched.watch.follow([watched.port], [], [])
    assert watched.watch.look() == "", "the pass has seen that nobody listens there"


def test_a_port_at_which_nobody_ever_listened_here_is_not_waited_for():
    watched = Watched()
    watched.watch.follow([watched.port], [], [watched.port])
    assert watched.watch.look() == ""


def test_a_process_that_its_pid_file_names_no_longer_is_noticed_once(tmp_path):
    watched, pid_file = Watched(), tmp_path / "daemon.pid"
    with subprocess.Popen(["sleep", "60"]) as process:
        pid_file.write_text(f"{process.pid}\n")
        watched.watch.follow([], [str(pid_file)])
        process.kill()
        process.wait()
    watched.watch.follow([], [str(pid_file)])
    assert watched.watch.look() == ENDED
    watched.watch.follow([], [str(pid_file)])
    assert watched.watch.look() == ""
