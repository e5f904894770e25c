"""The example of a source that asks a program, with OpenSSL as the administrator's CA."""

import subprocess
from dataclasses import dataclass
from typing import ClassVar

import pytest

from support.appliances.deployed import served
from support.appliances.example import Example

DOMAIN = "t.example.test"
CA = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
SIGN = """#!/bin/sh
cd {place}
[ -e days ] || {{ echo "The key is away." >&2; exit 3; }}
openssl x509 -req -CA ca.pem -CAkey ca.key -days "$(cat days)" -copy_extensions copy -extfile usage && cat ca.pem
"""


@dataclass
class Asking(Example):
    name: ClassVar[str] = "command_source"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.drop_in("tunnel")
        self.ca = self.root / "ca"
        self.ca.mkdir()
        self.days(90)
        (self.ca / "usage").write_text("extendedKeyUsage=serverAuth\n")
        key, certificate = self.ca / "ca.key", self.ca / "ca.pem"
        subprocess.run([*CA, "-subj", "/CN=Toy", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self.program("sign", SIGN.format(place=self.ca))

    def days(self, days: int) -> None:
        """Say how long the CA signs for; 0: it signs nothing."""
        (self.ca / "days").write_text(str(days)) if days else (self.ca / "days").unlink()

    def tables(self) -> str:
        source = '[source.command_source]\nprogram = "/bin/sign"\n'
        return f'{source}[modules.tunnel]\nport = {self.port}\ndomain = "{DOMAIN}"\n'

    def start_service(self) -> None:
        self.start("toyd", self.layout.module("tunnel").live / "toyd.conf")

    def sources(self) -> list[str]:
        with self.store() as store:
            used = {each.chain for each in store.modules.bindings()}
            return [record.source for record in store.chains.records() if record.id in used]


@pytest.fixture
def asking(monkeypatch):
    with Asking.make(top='sources = ["uploaded", "command_source", "local"]') as appliance:
        monkeypatch.setenv("PATH", appliance.path)
        appliance.configure()
        appliance.apply()
        appliance.start_service()
        appliance.engine().apply(wait=30)
        yield appliance


def test_what_the_program_has_signed_is_served_with_the_key_of_the_request(asking):
    assert asking.sources() == ["command_source"]
    assert served(asking.port, DOMAIN) == asking.chains("tunnel")["default"]


def test_it_is_asked_again_when_a_third_is_left(asking):
    first = served(asking.port, DOMAIN)
    asking.days(180)
    asking.renew()
    asking.engine().apply(wait=30)
    assert first != served(asking.port, DOMAIN) == asking.chains("tunnel")["default"]
    assert asking.sources() == ["command_source"]


def test_a_program_that_fails_is_told_in_its_own_words_and_what_serves_stays(asking):
    first = served(asking.port, DOMAIN)
    asking.days(0)
    asking.renew()
    asking.engine().apply(wait=30)
    (event,) = [each for each in asking.events if each.kind == "order_failed"]
    assert "/bin/sign signs nothing: The key is away." in event.text
    assert served(asking.port, DOMAIN) == first
