"""Each hook's docstring holds an example; here they are run as the plugins that they are."""

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

import chainwright
from agent import hookspecs
from agent.pki.key import KeyType
from agent.registry.contract_checks import CONTRIBUTIONS, Owner, check_declared_hooks, check_hooks
from agent.registry.guard import Guard
from agent.registry.hooks import Hooks
from agent.registry.implementations import hook_arguments
from agent.registry.life_hooks import LIFE as ANSWERS
from agent.registry.life_hooks import MODULE_HOOKS, SERVICE_HOOKS
from agent.registry.listeners import listeners_of
from agent.system.places import Places
from chainwright import (
    ChainFacts,
    ChainFile,
    ChallengeWindow,
    Change,
    Command,
    Consequence,
    Context,
    DnsSolver,
    Endpoint,
    Event,
    EventKind,
    HostFacts,
    Http01,
    Module,
    ModulePart,
    Need,
    Notifier,
    NotifierContext,
    Part,
    PluginSettings,
    Service,
    ServiceContext,
    Signal,
    Source,
    Template,
    Text,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOST = HostFacts(name="gw", addresses=())
STATE = Path("/var/lib/chainwright/modules/tunnel")
CHAIN = ChainFacts(
    id="ab" * 32,
    names=("a.test",),
    source="local",
    issuer="Root CA",
    key_type=KeyType.ECDSA_P256,
    not_after=NOW,
    intermediates=0,
)
CONTEXT = Context(
    module="tunnel",
    directory=STATE / "1",
    generation="1",
    chains={"tunnel": CHAIN},
    host=HOST,
    http01=Http01(webroot=STATE),
    places=Places(root=Path("/"), state=STATE, run=Path("/run/cw"), log=STATE),
)
WRITTEN = re.compile(r"```python\n(.*?)```", re.DOTALL)


def example(hook: str) -> str:
    (found,) = WRITTEN.findall(dedent(f"    {inspect.getdoc(getattr(hookspecs, hook))}"))
    return dedent(found)


def namespace(**more: object) -> dict[str, Any]:
    """What a plugin would import or define around an example."""
    public = {name: getattr(chainwright, name) for name in chainwright.__all__}
    return {**public, "click": click, **more}


def plugin(hook: str, **more: object) -> ModuleType:
    """Run an example of a whole plugin's hook."""
    made = ModuleType("example")
    made.__dict__.update(namespace(**more))
    exec(example(hook), made.__dict__)
    check_hooks(Owner("example", "docs"), made)
    return made


def declaration(hook: str, base: type[Module | Service]) -> Any:
    """Run an example of a module's or service's hook within a class."""
    source = f"class Stunnel(Base):\n{indent(example(hook), '    ')}"
    space = namespace(Base=base, Mapping=dict, Path=Path)
    exec(source, space)
    check_declared_hooks(Owner("example", "docs"), space["Stunnel"])
    return space["Stunnel"]()


class Tunnel(Module):
    """Tunnels."""

    name = "tunnel"
    domain: str = "a.test"
    port: int = 993


class Webhook(Notifier):
    name = "webhook"


class Settings(PluginSettings):
    token: str = ""


class Tunneld(Service):
    name = "tunneld"


ENTRY = ServiceContext(
    service="tunneld",
    directory=STATE / "1",
    parts=(ModulePart(module="tunnel", plugin="tunnel", directory=STATE / "1"),),
    host=HOST,
    http01=Http01(webroot=STATE),
    places=CONTEXT.places,
)


ARGUMENTS: dict[str, tuple[object, ...]] = {
    "declare_needs": (HOST,),
    "names_to_resolve": (HOST,),
    "receive_chains": (CONTEXT.chains,),
    "mend_command": (CONTEXT, "tunnel north"),
    "consequences_of": (Change(kind="root", subject="ab"), "session alice\nidle bob"),
    "why_unseen": (Places(root=Path("/"), state=STATE, run=Path("/run/none"), log=STATE),),
    "warnings_in": ("checked\nwarning: no site\n",),
    "cure_for": ("address in use",),
    "awaits_network": ("host not found", False),
}
"""What else but the context is given."""
ANSWERED: dict[str, object] = {
    "declare_needs": [Need(("a.test",), slot="tunnel", module="tunnel")],
    "names_to_resolve": ["a.test"],
    "receive_chains": [ChainFile(path="tunnel.pem", slot="tunnel", parts=(Part.KEY, Part.FULLCHAIN))],
    "render_files": [Template(path="tunnel.conf", values={"port": 993})],
    "prepare_command": [Command(("cp", f"{STATE}/1/tunnel.conf", f"{STATE}/1/tunnel.bak"))],
    "check_command": Command(("grep", "-q", "accept", f"{STATE}/1/tunnel.conf")),
    "reload_command": Signal(Path("/run/cw/tunnel.pid")),
    "running": Path("/run/cw/tunnel.pid"),
    "start_command": Command(("tunneld", f"{STATE}/live/tunnel.conf")),
    "confirm_command": Command(("grep", "-q", "/1/", "/run/cw/tunnel.loaded")),
    "probes": [Endpoint(port=993, server_name="a.test", slot="tunnel")],
    "observe_command": Command(("cat", "/run/cw/tunnel.states")),
    "mend_command": Command(("tunnelctl", "dial", "north")),
    "inspect_command": Command(("printf", "session alice")),
    "consequences_of": [Consequence("The session of alice drops.", severity="outage")],
    "render_entry": [Text(path="tunneld.conf", text=f"include {STATE}/1/site.conf\n")],
    "included_command": Command(("grep", "-q", "include /etc/tunneld/chainwright.conf", "/etc/tunneld/tunneld.conf")),
    "diagnose_command": Command(("tunnel-lint", f"{STATE}/1/tunneld.conf")),
    "why_unseen": "/run/none is missing; make it",
    "warnings_in": ["warning: no site"],
    "cure_for": "Give the address to one of the two services",
    "awaits_network": True,
}


@pytest.mark.parametrize("hook", MODULE_HOOKS)
def test_the_example_of_a_modules_hook_answers(hook: str):
    module = declaration(hook, Tunnel)
    hooks = Hooks({"tunnel": module}, {})
    assert getattr(hooks, hook)(module, *ARGUMENTS.get(hook, (CONTEXT,))) == ANSWERED[hook]


@pytest.mark.parametrize("hook", [hook for hook in SERVICE_HOOKS if hook not in MODULE_HOOKS])
def test_the_example_of_a_services_hook_answers(hook: str):
    service = declaration(hook, Tunneld)
    hooks = Hooks({}, {}, {"tunneld": service})
    assert getattr(hooks, hook)(service, *ARGUMENTS.get(hook, (ENTRY,))) == ANSWERED[hook]


class Vault(Source):
    name = "vault"


class Script(DnsSolver):
    name = "script"


CLASSES = {
    "register_modules": {"Stunnel": Tunnel},
    "register_services": {"Tunneld": Tunneld},
    "register_sources": {"Vault": Vault},
    "register_dns_solvers": {"Script": Script},
    "register_notifiers": {"Webhook": Webhook},
    "register_settings": {"Settings": Settings},
}


@pytest.mark.parametrize("hook", CLASSES)
def test_the_example_of_a_contribution_answers(hook: str):
    made = plugin(hook, **CLASSES[hook])
    answer = getattr(made, hook)()
    assert (answer if isinstance(answer, list) else [answer]) == list(CLASSES[hook].values())


class ThreeChains:
    """As much of an appliance as the example looks at."""

    def status(self) -> dict[str, Any]:
        return {"chains": [1, 2, 3]}

    def answer(self, data: dict[str, Any], lines: list[str]) -> None:
        click.echo(f"{data} {lines}")


def test_the_example_of_a_command_answers():
    group = click.Group("example")
    plugin("register_commands").register_commands(group, ThreeChains())
    assert CliRunner().invoke(group, ["count"]).output == "{'chains': 3} ['3']\n"


def test_the_example_of_an_observer_is_told():
    told: list[str] = []
    made = plugin("on_event", notify=told.append)
    registry = SimpleNamespace(enabled_plugins={"example": made}, plugins=(), guard=Guard())
    (listener,) = listeners_of(registry, {}, {}, {}).values()
    for kind in (EventKind.DEPLOYED, EventKind.ROLLED_BACK):
        listener.tell(
            Event(at=NOW, kind=kind, text=f"it is {kind}"), NotifierContext(host="gw", now=NOW, stopping=bool)
        )
    assert told == ["it is rolled_back"]


def test_the_example_of_a_firewall_answers():
    made = plugin("challenge_window")
    (asker,) = Hooks({}, {"example": made}).window_askers
    window = ChallengeWindow(id="1f", action="open", ports=(80, 443), families=("ipv4",), names=("a.test",))
    assert asker.command(window) == Command(("fwctl", "open", "1f", "80", "443"))


def test_every_hook_has_an_example_that_is_run_here():
    assert set(hook_arguments()) == {*ANSWERS, *CLASSES, "register_commands", "on_event", "challenge_window"}
    assert set(ANSWERED) == set(ANSWERS)
    assert set(CLASSES) == set(CONTRIBUTIONS)


@pytest.mark.parametrize("hook", hook_arguments())
def test_every_hook_says_what_happens_when_it_raises(hook: str):
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert "When it raises" in text
    assert text.count("@hookimpl") == (0 if hook in ANSWERS else 1)


@pytest.mark.parametrize("hook", ANSWERS)
def test_every_hook_of_a_life_has_a_plain_method_to_override(hook: str):
    owners = [kind for kind, hooks in ((Module, MODULE_HOOKS), (Service, SERVICE_HOOKS)) if hook in hooks]
    assert owners
    assert all(callable(getattr(owner, hook)) for owner in owners)
