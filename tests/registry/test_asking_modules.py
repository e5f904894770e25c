from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.errors.plugin import DeclarationRefused, ModuleRaised
from agent.pki.key import KeyType
from agent.registry.hooks import Hooks
from agent.registry.life_hooks import MODULE_HOOKS
from agent.system.places import Places
from chainwright import (
    ChainFacts,
    ChainFile,
    Change,
    Command,
    Consequence,
    Context,
    Endpoint,
    HostFacts,
    Http01,
    Module,
    Need,
    Part,
    Signal,
    Template,
    Text,
    hookimpl,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOST = HostFacts(name="gw", addresses=("192.0.2.1",))
ROOT = Path("/nowhere")
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
    directory=ROOT,
    generation="1",
    chains={"default": CHAIN},
    host=HOST,
    http01=Http01(webroot=ROOT),
    places=Places(root=ROOT, state=ROOT, run=ROOT, log=ROOT),
)
CHANGE = Change(kind="root", subject="ab" * 32)


class Tunnel(Module):
    """Tunnels."""

    name = "tunnel"
    check = ("tunnel", "-t", "{dir}/tunnel.conf")
    reload = ("tunnel", "reload")
    inspect = ("tunnel", "sessions")
    prepare = ("tunnel", "prepare")
    files = (ChainFile(path="t.pem", parts=(Part.KEY,)), Template(path="t.conf"), Text(path="t.json", text="{}"))
    domain: str = "a.test"

    def declare_needs(self, host: HostFacts):
        return [self.need(self.domain), self.need(host.name, slot="name")]

    def names_to_resolve(self, host: HostFacts):
        return [self.domain, "localhost", "192.0.2.1", "::1", self.domain]

    def probes(self, context: Context):
        return [Endpoint(port=993)]

    def consequences_of(self, change: Change, observed: str):
        return [Consequence(f"{observed} drops.")]


def asking(*plugins: object, **modules: Module) -> Hooks:
    return Hooks(modules, {f"plugin{number}": plugin for number, plugin in enumerate(plugins)})


ASK: dict[str, tuple[object, ...]] = {
    "declare_needs": (HOST,),
    "names_to_resolve": (HOST,),
    "receive_chains": (CONTEXT.chains,),
    "render_files": (CONTEXT,),
    "prepare_command": (CONTEXT,),
    "check_command": (CONTEXT,),
    "reload_command": (CONTEXT,),
    "running": (CONTEXT,),
    "start_command": (CONTEXT,),
    "confirm_command": (CONTEXT,),
    "probes": (CONTEXT,),
    "observe_command": (CONTEXT,),
    "mend_command": (CONTEXT, "tunnel north"),
    "inspect_command": (CONTEXT,),
    "consequences_of": (CHANGE, "alice"),
}


def ask(hooks: Hooks, hook: str, asked: Module) -> Any:
    return getattr(hooks, hook)(asked, *ASK[hook])


def test_each_hook_is_answered_by_attributes_and_plain_methods():
    module = Tunnel()
    hooks = asking(tunnel=module)
    assert {hook: ask(hooks, hook, module) for hook in ASK} == {
        "declare_needs": [Need(("a.test",), module="tunnel"), Need(("gw",), slot="name", module="tunnel")],
        "names_to_resolve": ["a.test"],
        "receive_chains": [Tunnel.files[0]],
        "render_files": [Tunnel.files[1], Tunnel.files[2]],
        "prepare_command": [Command(("tunnel", "prepare"))],
        "check_command": Command(("tunnel", "-t", "/nowhere/tunnel.conf")),
        "reload_command": Command(("tunnel", "reload")),
        "running": None,
        "start_command": None,
        "confirm_command": None,
        "probes": [Endpoint(port=993)],
        "observe_command": None,
        "mend_command": None,
        "inspect_command": Command(("tunnel", "sessions")),
        "consequences_of": [Consequence("alice drops.")],
    }


def test_one_module_is_asked_at_a_time_though_another_has_the_same_settings():
    one, two, three = Tunnel(), Tunnel(), Tunnel(domain="c.test")
    hooks = asking(one=one, two=two, three=three)
    assert [need.names for need in hooks.declare_needs(three, HOST)] == [("c.test",), ("gw",)]
    assert {need.module for need in hooks.declare_needs(one, HOST)} == {"one"}
    assert hooks.check_command(two, CONTEXT) == Command(("tunnel", "-t", "/nowhere/tunnel.conf"))


class Silent(Module):
    """Has nothing to say."""

    name = "silent"

    def declare_needs(self, host: HostFacts):
        return ()


def test_a_module_may_have_nothing_to_say():
    silent = Silent()
    hooks = asking(silent=silent, tunnel=Tunnel())
    assert {hook: ask(hooks, hook, silent) for hook in ASK} == {
        hook: [] if MODULE_HOOKS[hook].several else None for hook in ASK
    }


def test_a_signal_is_an_answer_to_reload():
    class Daemon(Silent):
        def reload_command(self, context: Context):
            return Signal(Path("/run/daemon.pid"))

    daemon = Daemon()
    assert asking(daemon=daemon).reload_command(daemon, CONTEXT) == Signal(Path("/run/daemon.pid"))


# Whatever a module does, its name and the hook are told


class Crashing(Module):
    """Raises wherever it is asked."""

    name = "crashing"

    def _fail(self, *_: object) -> Any:
        raise LookupError("no such session")

    declare_needs = names_to_resolve = receive_chains = render_files = prepare_command = check_command = _fail
    reload_command = running = start_command = confirm_command = probes = observe_command = mend_command = _fail
    inspect_command = consequences_of = _fail


@pytest.mark.parametrize("hook", ASK)
def test_a_module_that_raises_is_named_and_the_next_one_goes_on(hook: str):
    crashing, tunnel = Crashing(), Tunnel()
    hooks = asking(crashing=crashing, tunnel=tunnel)
    with pytest.raises(ModuleRaised) as raised:
        ask(hooks, hook, crashing)
    assert str(raised.value) == (
        f"crashing: The plugin failed in {hook}: LookupError: no such session.\n"
        "Its last generation stays in place, the others go on. "
        "Correct its settings, or update the plugin; chainwright plugins names its distribution."
    )
    assert raised.value.problem.detail == (
        f'File "{__file__}", line {Crashing._fail.__code__.co_firstlineno + 1}, in _fail: '
        'raise LookupError("no such session")'
    )
    ask(hooks, hook, tunnel)


def test_a_module_can_not_end_the_agent():
    class Ending(Silent):
        def declare_needs(self, host: HostFacts):
            raise SystemExit(0)

    with pytest.raises(ModuleRaised, match=r"it wanted to end the process \(SystemExit\)"):
        ask(asking(ending=(ending := Ending())), "declare_needs", ending)


def test_a_need_that_is_none_is_the_modules_own_mistake():
    class Mixed(Silent):
        def declare_needs(self, host: HostFacts):
            return [self.need("www.example.com", "gw")]

    with pytest.raises(ModuleRaised, match="mixes the public name www\\.example\\.com with gw"):
        ask(asking(mixed=(mixed := Mixed())), "declare_needs", mixed)


WRONG = {
    "declare_needs": "it holds an object of type str, only Need may stand there",
    "names_to_resolve": "name 1 of 1 is no host name in lower case",
    "receive_chains": "it holds an object of type str, only ChainFile may stand there",
    "render_files": "it holds an object of type str, only Template or Text may stand there",
    "prepare_command": "it holds an object of type str, only Command may stand there",
    "check_command": "it is an object of type list, not Command or None",
    "reload_command": "it is an object of type list, not Command or Signal or None",
    "running": "it is an object of type list, not Command or Path or None",
    "start_command": "it is an object of type list, not Command or None",
    "confirm_command": "it is an object of type list, not Command or None",
    "observe_command": "it is an object of type list, not Command or None",
    "mend_command": "it is an object of type list, not Command or None",
    "probes": "it holds an object of type str, only Endpoint may stand there",
    "inspect_command": "it is an object of type list, not Command or None",
    "consequences_of": "it holds an object of type str, only Consequence may stand there",
}


class Rubbish(Module):
    """Answers with words."""

    name = "rubbish"

    def _words(self, *_: object) -> Any:
        return ["secret words"]

    declare_needs = names_to_resolve = receive_chains = render_files = prepare_command = check_command = _words
    reload_command = running = start_command = confirm_command = probes = observe_command = mend_command = _words
    inspect_command = consequences_of = _words


WORDS_LINE = Rubbish._words.__code__.co_firstlineno


@pytest.mark.parametrize("hook", ASK)
def test_an_answer_of_the_wrong_type_is_refused_without_showing_it(hook: str):
    with pytest.raises(DeclarationRefused) as raised:
        ask(asking(rubbish=(rubbish := Rubbish())), hook, rubbish)
    assert str(raised.value) == (
        f"rubbish ({__file__}:{WORDS_LINE}): The plugin's answer to {hook} can't be used: {WRONG[hook]}.\n"
        "Its last generation stays in place, the others go on. Update the plugin; chainwright plugins names its distribution."
    )


def test_a_slot_is_asked_for_once():
    class Twice(Silent):
        def declare_needs(self, host: HostFacts):
            return [self.need("a.test"), self.need("b.test")]

    with pytest.raises(DeclarationRefused, match='it has the slot "default" twice'):
        ask(asking(twice=(twice := Twice())), "declare_needs", twice)


# Policies


class Policy:
    """Wraps the hooks of every module, as a plugin without a module of its own does."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @hookimpl(wrapper=True)
    def declare_needs(self, asked: Module, host: HostFacts):
        self.told.append(f"{asked.instance} on {host.name}")
        found = yield
        return [Need(need.names, slot=need.slot, sources=("local",)) for need in found]

    @hookimpl(wrapper=True)
    def check_command(self):
        command = yield
        return Command(("nice", *command.argv)) if command else None

    @hookimpl(wrapper=True)
    def probes(self):
        yield
        return [Endpoint(port=1), Endpoint(port=2)]


def test_a_policy_wraps_what_each_module_says():
    policy = Policy()
    one, two = Tunnel(), Tunnel(domain="b.test")
    hooks = asking(policy, one=one, two=two)
    assert [(need.module, need.names, need.sources) for need in hooks.declare_needs(two, HOST)] == [
        ("two", ("b.test",), ("local",)),
        ("two", ("gw",), ("local",)),
    ]
    assert policy.told == ["two on gw"]
    assert hooks.check_command(one, CONTEXT) == Command(("nice", "tunnel", "-t", "/nowhere/tunnel.conf"))
    assert [endpoint.port for endpoint in hooks.probes(one, CONTEXT)] == [1, 2]


def test_a_policy_may_repair_what_a_module_raises():
    class Mild:
        @hookimpl(wrapper=True)
        def declare_needs(self):
            try:
                return (yield)
            except LookupError:
                return []

    crashing = Crashing()
    assert asking(Mild(), crashing=crashing).declare_needs(crashing, HOST) == []
