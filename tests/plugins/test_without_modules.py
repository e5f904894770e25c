"""Built-in plugins whose modules are disabled or gone: settings stay usable, and services can be asked without any module."""

from pathlib import Path

import pytest

from agent.config.loading import load
from agent.contract.context import Http01, ModulePart, ServiceContext
from agent.contract.service import Service
from agent.engine.unchanged_settings import load_settings
from agent.model.need import HostFacts
from agent.registry.plugins import Registry
from agent.sources import BUILT_IN
from agent.system.layout import Layout

MODULES = {
    "reverse_proxy": '[[modules.reverse_proxy.sites]]\ndomains = ["a.example.test"]\nupstream = "http://127.0.0.1:9"\n',
    "web_auth": 'domain = "p.example.test"\nupstream = "http://127.0.0.1:9"\nlisten = "127.0.0.1:8444"\n',
    "webui": "",
    "ikev2": 'domain = "v.example.test"\n[[modules.ikev2.branches]]\nname = "b"\npeer = "b.test"\nlocal_ts = '
    '["10.0.0.0/24"]\nremote_ts = ["10.1.0.0/24"]\naddress = "192.0.2.1"\n',
    "sstp": 'domain = "s.example.test"\n',
    "mail": 'hostname = "m.example.test"\n',
}
SERVICES = {
    "nginx": ["", 'main = "own"\nmanager = "commands"\n'],
    "webui": ["", 'manager = "commands"\n'],
    "strongswan": ["", "drop_in = false\n", 'main = "own"\nmanager = "commands"\n'],
    "sstp": [
        "",
        'main = "own"\nmanager = "commands"\n',
        'server = "sstp-server"\n',
        'server = "sstp-server"\nmanager = "commands"\n',
    ],
    "postfix": ["", 'main = "own"\nmanager = "commands"\n'],
    "dovecot": ["", 'main = "own"\nmanager = "commands"\n'],
}
USED = {
    "reverse_proxy": ["nginx"],
    "web_auth": ["nginx"],
    "webui": ["webui"],
    "ikev2": ["strongswan"],
    "sstp": ["sstp"],
    "mail": ["postfix", "dovecot"],
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    found.etc.mkdir(parents=True)
    return found


def write(layout: Layout, *texts: str) -> None:
    layout.settings.write_text("".join(texts))


def module(name: str, top: str = "") -> str:
    return f"[modules.{name}]\n{top}{MODULES[name]}"


def services_of(name: str) -> str:
    return "".join(f"[services.{each}]\n" for each in USED[name])


def test_every_built_in_module_is_here(layout):
    registry = Registry.load(layout, None, builtin_sources=BUILT_IN)
    assert {name: list(each.services) for name, each in registry.modules.items()} == {"files": [], **USED}
    assert set(registry.services) == set(SERVICES)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("with_services", [False, True], ids=["alone", "with its services"])
def test_a_disabled_module_keeps_nothing_else_from_being_used(layout, name, with_services):
    others = [module(each) for each in MODULES if each != name]
    more = services_of(name) if with_services else ""
    for texts in ([module(name, "enabled = false\n"), more], [module(name, "enabled = false\n"), more, *others]):
        write(layout, *texts)
        found, _ = load_settings(layout)
        assert name not in found.modules
        assert set(found.modules) in (set(), set(MODULES) - {name})


@pytest.mark.parametrize("name", MODULES)
def test_the_tables_of_its_services_may_be_left_when_a_module_is_gone(layout, name):
    write(layout, services_of(name))
    found, _ = load(layout, BUILT_IN)
    assert set(found.services) == set(USED[name])
    assert found.modules == {}


@pytest.mark.parametrize(("name", "table"), [(name, each) for name, tables in SERVICES.items() for each in tables])
@pytest.mark.parametrize("parts", [0, 1])
def test_every_hook_of_a_service_can_be_asked_with_one_module_and_with_none(layout, name, table, parts):
    write(layout, f"[services.{name}]\n{table}")
    service: Service = load_settings(layout)[0].services[name]
    state = layout.module("one").state
    context = ServiceContext(
        service=name,
        directory=layout.service(name).state / "1",
        parts=(ModulePart(module="one", plugin="one", directory=state / "1"),) * parts,
        host=HostFacts(name="gw", addresses=("127.0.0.1",)),
        http01=Http01(webroot=layout.webroot),
        places=layout.service(name),
    )
    assert list(service.contradictions({})) == []
    list(service.render_entry(context))
    asked = (service.check_command, service.reload_command, service.start_command, service.running)
    named = [each for ask in asked if (each := ask(context)) is not None]
    assert parts or not [each for each in named if str(state) in str(each)]


@pytest.mark.parametrize("table", SERVICES["sstp"][2:])
def test_an_sstp_server_without_a_configuration_is_not_restarted(layout, table):
    write(layout, f"[services.sstp]\n{table}")
    service = load_settings(layout)[0].services["sstp"]
    places = layout.service("sstp")
    context = ServiceContext(
        service="sstp",
        directory=places.state,
        parts=(),
        host=HostFacts(name="gw", addresses=()),
        http01=Http01(webroot=layout.webroot),
        places=places,
    )
    assert service.reload_command(context) is service.start_command(context) is None
