"""The example for stunnel on the real one, which has no test of its own: what it refuses is seen, and rolled back."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from agent.model.deployment import Outcome
from support.appliances.deployed import connect, leaf_of, run_quietly, served
from support.appliances.example import Example
from support.servers.local import listening
from support.waiting import until

DOMAIN = "tunnel.example.test"


@dataclass
class Tunnelled(Example):
    name: ClassVar[str] = "stunnel"

    @property
    def pid_files(self) -> dict[str, Path]:
        return {"stunnel": self.layout.run / "stunnel.pid"}

    def start_service(self) -> None:
        run_quietly("stunnel4", self.layout.rooted("/etc/stunnel/chainwright.conf"))
        until(self.pid_files["stunnel"].exists, what="stunnel is up")


def echo(connection) -> None:
    while octets := connection.recv(1000):
        connection.sendall(octets)


@pytest.fixture
def box():
    with Tunnelled.make() as appliance, listening(echo) as plain:
        ports = {"accept": f"127.0.0.1:{appliance.port}", "connect": f"127.0.0.1:{plain.port}"}
        appliance.configure(module={"domain": DOMAIN, **ports})
        yield appliance


@pytest.fixture
def serving(box):
    box.bring_up()
    return box


def test_before_stunnel_runs_its_files_wait_for_it(box):
    box.apply()
    box.assert_outcome(Outcome.WAITING)


def test_a_new_chain_is_served_and_connections_stay(serving):
    first = served(serving.port, DOMAIN)
    assert first == serving.chains()["default"]
    with connect(serving.port, DOMAIN) as stream:
        serving.renew()
        serving.apply()
        serving.assert_live()
        stream.sendall(b"still here")
        assert stream.recv(1000) == b"still here"
        assert leaf_of(stream) == first
    assert first != served(serving.port, DOMAIN) == serving.chains()["default"]


def test_a_configuration_that_stunnel_refuses_is_rolled_back(serving):
    generation = serving.live("stunnel")
    serving.break_template("stunnel.conf.j2", "serve = everybody")
    serving.apply()
    serving.assert_outcome(Outcome.ROLLED_BACK)
    assert serving.live("stunnel") == generation
    assert served(serving.port, DOMAIN) == serving.chains()["default"]
    (serving.layout.templates / "stunnel/stunnel.conf.j2").unlink()
    serving.apply()
    serving.assert_live()


def test_a_changed_setting_is_known_to_be_in_service(serving):
    serving.override("stunnel/stunnel.conf.j2", '{% include "default:stunnel.conf.j2" %}\nTIMEOUTidle = 60\n')
    serving.apply()
    serving.assert_live()
    assert "TIMEOUTidle" in (serving.live("stunnel") / "stunnel.conf").read_text()
