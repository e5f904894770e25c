"""The example of a policy: modules get chains with RSA keys, whatever they ask for."""

import pytest

from support.appliances.example import Example
from support.ports import free_port


class Governed(Example):
    name = "rsa_only"

    def configure_policy(self, text: str) -> None:
        """Two instances of one module, and a policy whose table has `text`."""
        tables = [
            f'[modules.{name}]\nplugin = "tunnel"\nport = {free_port()}\ndomain = "{name}.example.test"\n'
            for name in ("tunnel", "other")
        ]
        self.settings(f'hostname = "gw"\n[plugins.rsa_only]\n{text}\n{"".join(tables)}')

    def key_types(self) -> dict[str, str]:
        self.apply()
        with self.store() as store:
            types = {record.id: str(record.key_type) for record in store.chains.records()}
            return {each.module: types[each.chain] for each in store.modules.bindings()}


@pytest.fixture
def box(monkeypatch):
    with Governed.make() as appliance:
        monkeypatch.setenv("PATH", appliance.path)
        appliance.drop_in("tunnel")
        yield appliance


def test_without_it_the_first_key_type_of_the_module_is_asked_for(box):
    box.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "tunnel.example.test"\n')
    assert box.key_types() == {"tunnel": "ecdsa-p256"}


def test_every_module_gets_rsa_keys(box):
    box.configure_policy("")
    assert box.key_types() == {"tunnel": "rsa-2048", "other": "rsa-2048"}


def test_only_the_instances_that_are_named_are_governed(box):
    box.configure_policy('modules = ["other"]')
    assert box.key_types() == {"tunnel": "ecdsa-p256", "other": "rsa-2048"}


def test_what_is_served_is_replaced_once_the_policy_is_there(box):
    box.configure_policy('modules = ["other"]')
    box.key_types()
    box.configure_policy("")
    assert box.key_types()["tunnel"] == "rsa-2048"
