"""What the web interface does while the agent hangs, starts, or needs long."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.api.starting import mark, unmark
from agent.system.layout import Layout
from plugins.webui import client
from support.appliances.webui import Appliance
from support.fakes.api import Browser
from support.paths import CHECKOUT
from support.processes import prepared
from support.waiting import until

SESSION = {"__Host-chainwright": "cws_" + "h" * 43}
HANGING = "The agent is not answering: its answer did not come in time."
BUSY = b"HTTP/1.1 102 Processing\r\n\r\n"
ANSWER = b"HTTP/1.1 401 \r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def test_an_agent_that_hangs_is_told_in_the_page_s_frame_and_it_goes_on_when_the_agent_does(guarded) -> None:
    assert guarded.browser.get("/certificates").status == 200
    os.kill(guarded.api.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        page = guarded.browser.get("/root")
        took = time.monotonic() - began
    finally:
        os.kill(guarded.api.process.pid, signal.SIGCONT)
    assert (page.status, page.headers["retry-after"]) == (503, "5")
    assert "<h1>That did not work</h1>" in page.text
    assert "<nav aria-label=" in page.text
    assert HANGING in page.words
    assert "systemctl status chainwright" in page.words
    assert took < client.LONGEST_WAIT / 3  # that of a busy machine; the agent is given 2.5 seconds
    assert guarded.browser.get("/certificates").status == 200
    assert guarded.api.process.poll() is None


def test_many_questions_to_an_agent_that_hangs_leave_nothing_behind(guarded) -> None:
    assert guarded.web.process
    descriptors = Path(f"/proc/{guarded.web.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    os.kill(guarded.api.process.pid, signal.SIGSTOP)
    try:
        asking = [threading.Thread(target=guarded.browser.get, args=("/events",)) for _ in range(30)]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
    finally:
        os.kill(guarded.api.process.pid, signal.SIGCONT)
    assert guarded.browser.get("/events").status == 200
    until(lambda: len(list(descriptors.iterdir())) <= before)


@contextmanager
def agent_of(web: Appliance, *answers: bytes, pause: float) -> Iterator[None]:
    """Be an agent that answers in parts, with a pause before each."""

    def answer() -> None:
        with suppress_closed():
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=tell, args=(connection,), daemon=True).start()

    def tell(connection: socket.socket) -> None:
        with connection, suppress_closed():
            connection.recv(65536)
            for each in answers:
                time.sleep(pause)
                connection.sendall(each)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(web.api))
        listener.listen()
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            web.api.unlink()


@contextmanager
def suppress_closed() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def test_an_agent_that_works_on_a_long_answer_is_waited_for(app_state: Appliance) -> None:
    pause = client.SILENCE / 2
    with agent_of(app_state, *[BUSY] * 3, ANSWER, pause=pause):
        answer = Browser(app_state, SESSION).ask("GET", "/password", None, {}, follow=False)
    assert (answer.status, answer.headers["location"]) == (303, "/login?next=%2Fpassword")


def test_one_that_stops_in_the_middle_is_not(app_state: Appliance) -> None:
    with agent_of(app_state, BUSY, ANSWER[:30], pause=0.01):
        page = Browser(app_state, SESSION).get("/password")
    assert page.status == 503
    assert "The agent is not answering: peer unexpectedly closed connection" in page.words


def test_while_its_process_starts_it_is_waited_for(serving: Appliance) -> None:
    layout = Layout(serving.directory)
    layout.run.mkdir(parents=True)
    mark(layout)
    starting = serving.api.with_name(client.STARTING)
    (layout.run / client.STARTING).replace(starting)
    with agent_of(serving, ANSWER, pause=client.SILENCE * 1.3):
        assert Browser(serving, SESSION).ask("GET", "/password", None, {}, follow=False).status == 303
        starting.unlink()
        assert Browser(serving, SESSION).ask("GET", "/password", None, {}, follow=False).status == 503


def test_the_mark_of_a_process_that_starts_is_beside_its_socket_until_it_answers(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    unmark(layout)
    mark(layout)  # where nothing can be written, nothing stops
    layout.run.mkdir(parents=True)
    for _ in range(2):
        mark(layout)
        assert [path.name for path in layout.run.iterdir()] == [client.STARTING]
    unmark(layout)
    assert list(layout.run.iterdir()) == []


def test_the_command_marks_its_start_before_it_does_anything_else(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    command = ["-P", "-m", "agent", "--root", tmp_path, "api", "--fd", "99"]
    assert prepared.run(command, cwd=CHECKOUT).returncode != 0  # there is no such descriptor
    assert [path.name for path in layout.run.iterdir()] == [client.STARTING]


def test_the_agent_says_each_second_that_it_works_to_those_who_ask_for_it(guarded) -> None:
    question = b"GET /v1/session HTTP/1.1\r\nHost: x\r\nChainwright-Client: 192.0.2.1\r\n"
    for more, begin in ((b"Chainwright-Heartbeat: 1\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"), (b"", b"HTTP/1.1 401 ")):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(guarded.web.api))
            connection.sendall(question + more + b"Connection: close\r\n\r\n")
            assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(begin)
