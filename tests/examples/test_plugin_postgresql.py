"""The example for PostgreSQL on the real one, with a cluster where Debian has it."""

import os
import shutil
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from agent.model.deployment import Outcome
from agent.probing.handshake import lenient_context
from support.appliances.deployed import leaf_of
from support.appliances.example import Example
from support.waiting import until

pytestmark = pytest.mark.root
DOMAIN = "db.example.test"
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
TLS = struct.pack(">ii", 8, 80877103)
"""SSLRequest."""


@dataclass
class Database(Example):
    name: ClassVar[str] = "postgresql"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data = self.directory("var/lib/postgresql/15/main")
        self.sockets = self.directory("run/postgresql")
        self.included = self.directory("etc/postgresql/15/main/conf.d")
        self.as_postgres("initdb", "-D", str(self.data), "-A", "trust", "-N")
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{self.sockets}'\n"
                f"fsync = off\ninclude_dir '{self.included}'\n"
            )

    def directory(self, name: str) -> Path:
        made = self.root / name
        made.mkdir(parents=True)
        shutil.chown(made, "postgres", "postgres")
        return made

    def as_postgres(self, program: str, *arguments: str) -> None:
        argv = ["runuser", "-u", "postgres", "--", str(PROGRAMS / program), *arguments]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/")

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"postgresql": self.data / "postmaster.pid"}

    def start_service(self) -> None:
        self.as_postgres("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.data / "log"), "start")

    def connection(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        plain.sendall(TLS)
        assert plain.recv(1) == b"S"
        return lenient_context().wrap_socket(plain, server_hostname=DOMAIN)

    def leaf(self) -> str:
        with self.connection() as stream:
            return leaf_of(stream)

    def query(self, text: str) -> str:
        argv = ["psql", "-h", str(self.sockets), "-p", str(self.port), "-U", "postgres", "-XAtqc", text]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30, cwd="/").stdout.strip()


@pytest.fixture
def box():
    with Database.make() as appliance:
        appliance.configure(module={"domain": DOMAIN, "port": appliance.port})
        yield appliance


@pytest.fixture
def serving(box):
    box.apply()
    box.start_service()
    box.apply()
    box.assert_live()
    return box


def test_before_postgresql_runs_its_files_wait_for_it(box):
    box.apply()
    box.assert_outcome(Outcome.WAITING)
    assert (box.included / "chainwright.conf").resolve() == box.live("postgresql") / "tls.conf"


def test_the_key_is_the_server_s_alone(serving):
    key = (serving.live("postgresql") / "server.key").stat()
    owner = (serving.data / "PG_VERSION").stat()
    assert (key.st_uid, key.st_mode & 0o777) == (owner.st_uid, 0o600)


def test_a_new_chain_is_served_after_a_reload_and_connections_stay(serving):
    first, started = serving.leaf(), serving.query("select pg_postmaster_start_time()")
    assert first == serving.chains()["default"]
    with serving.connection() as stream:
        serving.renew()
        serving.apply()
        serving.assert_live()
        assert leaf_of(stream) == first
        stream.sendall(struct.pack(">ii", 9, 196608) + b"\0")  # a startup packet without a user
        assert stream.recv(1) == b"E"
    assert first != serving.leaf() == serving.chains()["default"]
    assert serving.query("select pg_postmaster_start_time()") == started


def test_a_configuration_that_postgresql_refuses_changes_nothing(serving):
    generation, first = serving.live("postgresql"), serving.leaf()
    serving.break_template("postgresql.conf.j2", "serve = everybody")
    serving.apply()
    serving.assert_outcome(Outcome.REFUSED, 'unrecognized configuration parameter "serve"')
    assert (serving.live("postgresql"), serving.leaf()) == (generation, first)


def test_a_configuration_that_is_wrong_beside_ours_is_not_taken_for_one_in_force(serving):
    """PostgreSQL says that the reload worked, and goes on with the old configuration as a whole."""
    generation = serving.live("postgresql")
    (serving.included / "other.conf").write_text("serve = everybody\n")
    serving.break_template("postgresql.conf.j2", "ssl_ciphers = 'HIGH'")
    serving.apply()
    serving.assert_outcome(Outcome.ROLLED_BACK, "it runs another configuration")
    assert serving.live("postgresql") == generation


def test_a_changed_setting_is_in_force(serving):
    text = "ssl_min_protocol_version = 'TLSv1.3'"
    serving.override("postgresql/postgresql.conf.j2", f'{{% include "default:postgresql.conf.j2" %}}\n{text}\n')
    serving.apply()
    serving.assert_live()
    assert serving.query("show ssl_min_protocol_version") == "TLSv1.3"


def test_it_is_loaded_by_the_cluster_s_own_start(serving):
    serving.kill("postgresql")
    (serving.data / "postmaster.pid").unlink()
    for left in serving.sockets.iterdir():
        left.unlink()
    serving.start_service()
    until(lambda: serving.leaf() == serving.chains()["default"], what="it is served")
    assert os.path.lexists(serving.included / "chainwright.conf")
