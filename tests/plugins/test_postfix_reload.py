"""What the reload of postfix makes of installations unlike the agent's own: small real ones, each odd in one way."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.system.processes import process_of
from plugins.mail.postfix import RELOAD
from support.appliances.deployed import run_quietly
from support.ports import free_port
from support.processes.tree import kill_all

pytestmark = pytest.mark.root
MAIN_CF = """compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = their.example.test
mydestination =
alias_maps =
"""
PROCESSES = """
cleanup   unix       n  -  n  -  0  cleanup
qmgr      unix       n  -  n  -  1  qmgr
tlsmgr    unix       -  -  n  -  1  tlsmgr
rewrite   unix       -  -  n  -  -  trivial-rewrite
proxymap  unix       -  -  n  -  -  proxymap
anvil     unix       -  -  n  -  1  anvil
postlog   unix-dgram n  -  n  -  1  postlogd
"""
FATAL = "smtpd_tls_security_level = maybe"
SAID = 'smtpd: fatal: Invalid TLS level "maybe"'


@dataclass
class Postfix:
    """An instance below a directory."""

    root: Path
    port: int = field(default_factory=free_port)

    @property
    def pid_file(self) -> Path:
        return self.root / "queue/pid/master.pid"

    def start(self, *lines: str) -> None:
        for each in ("etc", "queue", "data"):
            (self.root / each).mkdir()
        shutil.chown(self.root / "data", "postfix")
        (self.root / "etc/main.cf").write_text(MAIN_CF.format(root=self.root))
        self.write_processes(*lines)
        run_quietly("/usr/sbin/postfix", "-c", self.root / "etc", "start")

    def greeting(self, host: str = "127.0.0.1") -> bytes:
        with socket.create_connection((host, self.port), timeout=20) as plain:
            return plain.recv(4)

    def write_processes(self, *lines: str) -> None:
        (self.root / "etc/master.cf").write_text("\n".join(lines) + PROCESSES)

    def say(self, setting: str) -> None:
        run_quietly("/usr/sbin/postconf", "-c", self.root / "etc", "-e", setting)

    def reload(self, *command: str, **environment: str) -> tuple[int, list[str]]:
        """Return how it ends, and what is said but for what postfix's own command says."""
        by_itself = command or ("/usr/sbin/postfix", "-c", self.root / "etc", "reload")
        argv = [sys.executable, "-P", RELOAD, "/usr/sbin", self.root / "etc", self.pid_file, *by_itself]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
        )
        return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("postfix/")]


@pytest.fixture
def postfix() -> Iterator[Postfix]:
    with tempfile.TemporaryDirectory(prefix="cw-") as name:
        root = Path(name)
        root.chmod(0o755)
        running = Postfix(root)
        yield running
        kill_all([process_of(running.pid_file)])


def test_behind_postscreen_the_smtpd_that_it_hands_clients_to_is_looked_at(postfix):
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - 1 postscreen", "smtpd pass - - n - - smtpd")
    assert postfix.reload() == (0, [])
    postfix.write_processes(
        f"127.0.0.1:{postfix.port} inet n - n - 1 postscreen", f"smtpd pass - - n - - smtpd -o {FATAL.replace(' ', '')}"
    )
    assert postfix.reload() == (1, [SAID])


def test_a_session_through_a_unix_socket_is_none_of_it(postfix):
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - - smtpd", "other unix n - n - - smtpd")
    with socket.socket(socket.AF_UNIX) as session:
        session.settimeout(20)
        session.connect(str(postfix.root / "queue/public/other"))
        assert session.recv(4) == b"220 "
        assert postfix.reload() == (0, [])


def test_a_listener_that_moves_to_another_address_is_looked_at_there(postfix):
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - - smtpd")
    assert postfix.reload() == (0, [])
    postfix.write_processes(f"127.0.0.2:{postfix.port} inet n - n - - smtpd")
    assert postfix.reload() == (0, [])
    assert postfix.greeting("127.0.0.2") == b"220 "


def test_a_reload_that_is_logged_was_taken_whatever_its_processes_wait_for(postfix):
    """It is only said here, and they go on."""
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - - smtpd")
    say = f"echo 'Nov 30 14:00:00 host postfix/master[12]: reload -- version 3' >>{postfix.root}/log"
    assert postfix.reload("sh", "-c", say) == (0, [])
    assert postfix.reload("true")[0] == 1


def test_of_two_addresses_with_one_port_each_is_looked_at(postfix):
    first, second = (f"127.0.0.{number}:{postfix.port} inet n - n - - smtpd" for number in (1, 2))
    postfix.start(first, second)
    assert postfix.greeting("127.0.0.2") == b"220 "
    postfix.write_processes(first, f"{second} -o {FATAL.replace(' ', '')}")
    assert postfix.reload() == (1, [SAID])


def test_words_that_are_in_a_log_that_was_replaced_meanwhile_are_found(postfix):
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - - smtpd")
    assert postfix.greeting() == b"220 "
    postfix.say(FATAL)
    replace = f"mv {postfix.root}/log {postfix.root}/log.1; postfix -c {postfix.root}/etc reload"
    assert postfix.reload("sh", "-c", replace) == (1, [SAID])


def test_words_that_only_the_journal_has_are_asked_of_it(postfix):
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - - smtpd")
    assert postfix.greeting() == b"220 "
    postfix.say("maillog_file =")
    postfix.say(FATAL)
    program, asked = postfix.root / "bin/journalctl", postfix.root / "asked"
    program.parent.mkdir()
    line = f"Nov 30 14:00:00 host postfix/{SAID.replace(':', '[12]:', 1)}"
    program.write_text(f"#!/bin/sh\necho \"$@\" >>{asked}\necho '{line}'\n")
    program.chmod(0o755)
    assert postfix.reload(PATH=f"{program.parent}:{os.environ['PATH']}") == (1, [SAID])
    assert "--facility=mail --lines=1000 --since=@" in asked.read_text()


def test_without_a_word_anywhere_the_port_is_named(postfix):
    postfix.start(f"127.0.0.1:{postfix.port} inet n - n - - smtpd")
    assert postfix.greeting() == b"220 "
    postfix.say("maillog_file =")
    postfix.say(FATAL)
    code, said = postfix.reload()
    assert (code, said) == (1, [f"postfix answers nobody any more at port {postfix.port}"])
