"""Each hook's docstring holds an example; here they are run as the plugins that they are."""

import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

import chainwright
from agent import hookspecs
from agent.pki.key import KeyType
from agent.registry.contract_checks import (
    CONTRIBUTIONS,
    METHODS,
    Owner,
    check_hooks,
    check_module_hooks,
    hook_arguments,
)
from agent.registry.hooks import Hooks
from agent.system.places import Places
from chainwright import (
    ChainFacts,
    ChainFile,
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
    Need,
    Notifier,
    Part,
    PluginSettings,
    Service,
    Signal,
    Source,
    Template,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOST = HostFacts("gw", ())
STATE = Path("/var/lib/chainwright/modules/tunnel")
CHAIN = ChainFacts("ab" * 32, ("a.test",), "local", "Root CA", KeyType.ECDSA_P256, NOW, 0)
CONTEXT = Context(
    "tunnel", STATE / "1", "1", {"tunnel": CHAIN}, HOST, Http01(STATE), Places(Path("/"), STATE, Path("/run/cw"), STATE)
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


def module(hook: str) -> Module:
    """Run an example of a module's hook within a class."""
    source = f"class Stunnel(Base):\n{indent(example(hook), '    ')}"
    space = namespace(Base=Tunnel, Mapping=dict)
    exec(source, space)
    check_module_hooks(Owner("example", "docs"), space["Stunnel"])
    made: Module = space["Stunnel"]()
    return made


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


def ask(hook: str, method: Callable[[Hooks], Any]) -> Any:
    return method(Hooks({"tunnel": module(hook)}, {}))


LIFE: dict[str, tuple[Callable[[Hooks], Any], Any]] = {
    "declare_needs": (
        lambda hooks: hooks.needs("tunnel", HOST),
        [Need(("a.test",), slot="tunnel", module="tunnel")],
    ),
    "names_to_resolve": (lambda hooks: hooks.names_to_resolve("tunnel", HOST), ["a.test"]),
    "receive_chains": (
        lambda hooks: hooks.receive("tunnel", CONTEXT.chains),
        [ChainFile(path="tunnel.pem", slot="tunnel", parts=(Part.KEY, Part.FULLCHAIN))],
    ),
    "render_files": (
        lambda hooks: hooks.render("tunnel", CONTEXT),
        [Template(path="tunnel.conf", values={"port": 993})],
    ),
    "prepare_command": (
        lambda hooks: hooks.prepare("tunnel", CONTEXT),
        [Command(("cp", f"{STATE}/1/tunnel.conf", f"{STATE}/1/tunnel.bak"))],
    ),
    "check_command": (
        lambda hooks: hooks.check("tunnel", CONTEXT),
        Command(("grep", "-q", "accept", f"{STATE}/1/tunnel.conf")),
    ),
    "confirm_command": (
        lambda hooks: hooks.confirm("tunnel", CONTEXT),
        Command(("grep", "-q", "/1/", "/run/cw/tunnel.loaded")),
    ),
    "reload_command": (lambda hooks: hooks.reload("tunnel", CONTEXT), Signal(Path("/run/cw/tunnel.pid"))),
    "probes": (
        lambda hooks: hooks.probes("tunnel", CONTEXT),
        [Endpoint(port=993, server_name="a.test", slot="tunnel")],
    ),
    "observe_command": (
        lambda hooks: hooks.observe("tunnel", CONTEXT),
        Command(("cat", "/run/cw/tunnel.states")),
    ),
    "mend_command": (
        lambda hooks: hooks.mend("tunnel", CONTEXT, "tunnel north"),
        Command(("tunnelctl", "dial", "north")),
    ),
    "inspect_command": (lambda hooks: hooks.inspect("tunnel", CONTEXT), Command(("printf", "session alice"))),
    "consequences_of": (
        lambda hooks: hooks.consequences("tunnel", Change("root", "ab"), "session alice\nidle bob"),
        [Consequence("The session of alice drops.", "outage")],
    ),
}


@pytest.mark.parametrize("hook", LIFE)
def test_the_example_of_a_modules_hook_answers(hook: str):
    method, answer = LIFE[hook]
    assert ask(hook, method) == answer


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
    hooks = Hooks({}, {"example": plugin("on_event", notify=told.append)})
    for kind in (EventKind.DEPLOYED, EventKind.ROLLED_BACK):
        assert hooks.notify(Event(NOW, kind, f"it is {kind}")) == []
    assert told == ["it is rolled_back"]


def test_every_hook_has_an_example_that_is_run_here():
    assert set(hook_arguments()) == {*LIFE, *CLASSES, "register_commands", "on_event"}
    assert set(LIFE) == set(METHODS)
    assert set(CLASSES) == set(CONTRIBUTIONS)


@pytest.mark.parametrize("hook", hook_arguments())
def test_every_hook_says_what_happens_when_it_raises(hook: str):
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert "When it raises" in text
    assert text.count("@hookimpl") == 1


@pytest.mark.parametrize("hook", METHODS)
def test_every_hook_of_a_modules_life_has_a_plain_method_to_override(hook: str):
    assert callable(getattr(Module, METHODS[hook]))
    assert getattr(Module, hook).chainwright_impl
