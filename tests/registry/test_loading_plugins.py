import os
import py_compile
import re
import sys
from pathlib import Path

import click
import pytest

from agent.model.need import HostFacts
from agent.registry.discovery import candidates, culprits_of
from agent.registry.guard import Guard
from agent.registry.hooks import Hooks
from agent.registry.plugins import Registry
from agent.rendering.templates import search_path
from support.appliances.toy import BUILT_IN, STUNNEL, ToyAppliance

OFF = "It is disabled, everything else goes on."
HOST = HostFacts(name="gw", addresses=())


@pytest.fixture
def appliance(tmp_path: Path) -> ToyAppliance:
    return ToyAppliance(tmp_path)


@pytest.fixture(autouse=True)
def _forget_toy_modules():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("toy_", "chainwright_plugin_")):
            del sys.modules[name]


def record(registry: Registry, name: str):
    (found,) = [each for each in registry.plugins if each.name == name]
    return found


def message(registry: Registry, name: str) -> str:
    (error,) = record(registry, name).errors
    return str(error)


# What is found


def test_a_drop_in_file_contributes_its_module(appliance: ToyAppliance):
    path = appliance.drop_in("stunnel", STUNNEL)
    registry = appliance.registry("stunnel")
    assert registry.modules["stunnel"].heading() == "TLS tunnels"
    assert record(registry, "stunnel").to_json() == {
        "name": "stunnel",
        "origin": str(path),
        "state": "on",
        "contributions": ["module stunnel"],
        "notices": [],
        "problems": [],
    }
    assert record(registry, "stunnel").home == path.parent
    assert not list(path.parent.glob("__pycache__"))


def test_our_own_plugins_come_by_entry_points_like_any_other(appliance: ToyAppliance):
    registry = appliance.registry()
    assert record(registry, "reverse_proxy").owner.origin.startswith("chainwright ")
    assert record(registry, "reverse_proxy").state == "off"
    assert appliance.registry("reverse_proxy").modules["reverse_proxy"].name == "reverse_proxy"


def test_installed_is_not_enabled_and_not_even_imported(appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(appliance.install("toy-one", "1.0", {"toy_one": STUNNEL}))
    registry = appliance.registry()
    assert record(registry, "toy_one").state == "off"
    assert "toy_one" not in sys.modules
    assert "stunnel" not in registry.modules
    assert "stunnel" in appliance.registry("toy_one").modules
    assert "toy_one" in sys.modules


def test_a_list_of_all_plugins_loads_all_of_them_and_enables_none(appliance: ToyAppliance):
    appliance.drop_in("stunnel", STUNNEL)
    appliance.drop_in("bad", "1 / 0")
    registry = appliance.registry(also=None)
    assert record(registry, "stunnel").state == "off"
    assert record(registry, "stunnel").contributions == ("module stunnel",)
    assert record(registry, "bad").state == "broken"
    assert registry.enabled_plugins == {}
    everything = Registry.load(appliance.layout, None, builtin_sources=BUILT_IN)
    assert record(everything, "stunnel").state == "on"


def test_the_plugin_of_a_service_is_loaded_when_a_module_names_the_service(appliance: ToyAppliance):
    appliance.drop_in("tunnel", STUNNEL.replace('reload = ("true",)', 'services = ("tunneld",)'))
    appliance.drop_in("tunneld", SERVICE)
    registry = appliance.registry("tunnel")
    assert set(registry.services) == {"tunneld"}
    assert record(registry, "tunneld").state == "on"


def test_two_plugins_may_bring_the_very_same_service(appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch):
    shared = "from toy_service import Tunneld, register_services"
    place = appliance.install("toy-service", "1", {"toy_service": SERVICE, "toy_a": shared, "toy_b": shared})
    monkeypatch.syspath_prepend(place)
    registry = appliance.registry("toy_a", "toy_b")
    assert [record(registry, name).state for name in ("toy_a", "toy_b")] == ["on", "on"]


def test_a_drop_in_may_postpone_its_annotations(appliance: ToyAppliance):
    later = STUNNEL.replace("port: int = 993", "port: Port = 993\n        next: Other | None = None")
    appliance.drop_in("stunnel", FUTURE + later.replace("    class Stunnel", OTHER + "\n    class Stunnel"))
    module = appliance.registry("stunnel").modules["stunnel"].model_validate({"port": 1, "next": {"name": "a"}})
    assert module.next.name == "a"


FUTURE = (
    "    from __future__ import annotations\n    from pydantic import BaseModel\n    from chainwright import Port\n"
)
OTHER = "    class Other(BaseModel):\n        name: str\n"


def test_a_plugin_that_stands_under_two_names_is_asked_once(appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch):
    points = "one = toy_both\ntwo = toy_both"
    monkeypatch.syspath_prepend(appliance.install("toy-both", "1", {"toy_both": STUNNEL}, points))
    registry = appliance.registry("one", "two")
    assert [record(registry, name).state for name in ("one", "two")] == ["on", "on"]
    assert list(registry.enabled_plugins) == ["one"]


def test_an_entry_point_may_name_an_object_but_one_that_pluggy_can_keep(
    appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch
):
    points = "one = toy_objects:listed\ntwo = toy_objects:gone"
    monkeypatch.syspath_prepend(appliance.install("toy-objects", "1", {"toy_objects": "listed = []"}, points))
    registry = appliance.registry("one", "two")
    assert "Its registration failed: TypeError: unhashable type: 'list'." in message(registry, "one")
    gone = "AttributeError: module 'toy_objects' has no attribute 'gone'; its entry point names \"toy_objects:gone\"."
    assert f"Its import failed: {gone}" in message(registry, "two")


@pytest.mark.parametrize("opened", ["pack/__init__.py", "pack/below/toy_plugin.py", "pack/below", "pack"])
def test_a_package_that_others_can_write_to_costs_its_own_plugin_and_is_not_imported(
    appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch, opened: str
):
    sources = {"pack/__init__": "raise SystemExit", "pack/below/__init__": "", "pack/below/toy_plugin": STUNNEL}
    place = appliance.install("toy-pack", "1", sources, "stunnel = pack.below.toy_plugin")
    monkeypatch.syspath_prepend(place)
    path = place / opened
    path.chmod(0o777)
    it = "it" if path.is_file() else f"the directory {path}"
    said = message(appliance.registry("stunnel"), "stunnel")
    assert f": every user can write to {it} (mode 0777).\n{OFF} Look at its content, then: chmod go-w {path}" in said
    assert 'The package of plugin "stunnel" (toy-pack 1) is not loaded' in said
    assert "pack" not in sys.modules


def test_who_may_write_to_where_packages_lie_is_the_interpreters_matter(
    appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch
):
    place = appliance.install("toy-open", "1", {"toy_open": STUNNEL})
    place.chmod(0o775)  # as Debian has /usr/local/lib/python3.x/dist-packages, for the group staff
    monkeypatch.syspath_prepend(place)
    assert record(appliance.registry("toy_open"), "toy_open").state == "on"
    (place / "toy_open.py").chmod(0o664)
    assert "its group can write to it (mode 0664)." in message(appliance.registry("toy_open"), "toy_open")


# What breaks: only itself, and with its own message

SERVICE = """
    from chainwright import Command, Service, hookimpl

    class Tunneld(Service):
        name = "tunneld"

        def reload_command(self, context):
            return Command(("true",))

    @hookimpl
    def register_services():
        return [Tunneld]
"""


def in_stunnel(line: str, *, instead_of: str = "port: int = 993") -> str:
    return STUNNEL.replace(instead_of, line)


BROKEN = {
    "import": ("import toy_not_there", "Its import failed: ModuleNotFoundError: No module named 'toy_not_there'."),
    "syntax": ("def (", "Its import failed: SyntaxError: invalid syntax (FILE, line 1)."),
    "exit": ("raise SystemExit(0)", "Its import failed: it wanted to end the process (SystemExit)."),
    "a misspelt class attribute": (
        in_stunnel('relaod = ("true",)', instead_of='reload = ("true",)'),
        (
            "Its import failed: PydanticUserError: A non-annotated attribute was detected: "
            "`relaod = ('true',)`; did you mean \"reload\"?"
        ),
    ),
    "a file that others can read": (
        in_stunnel('Template(path="tunnel.conf", mode=0o644)', instead_of='Template(path="tunnel.conf")'),
        'Its import failed: ValueError: file "tunnel.conf" must not be open to other users (mode 0644).',
    ),
    "registration raises": (
        STUNNEL.replace("return [Stunnel]", "return Stunnel.nothing"),
        "Its register_modules failed: AttributeError: nothing.",
    ),
    "registration ends the process": (
        STUNNEL.replace("return [Stunnel]", "raise SystemExit"),
        "Its register_modules failed: it wanted to end the process (SystemExit).",
    ),
    "registration returns no list": (
        STUNNEL.replace("return [Stunnel]", "return Stunnel"),
        "Its register_modules returned Stunnel, not a list of subclasses of Module.",
    ),
    "registration returns an instance": (
        STUNNEL.replace("return [Stunnel]", "return [Stunnel()]"),
        "Its register_modules returned a list with Stunnel, not a list of subclasses of Module.",
    ),
    "registration returns another kind": (
        STUNNEL.replace("def register_modules", "def register_services"),
        "Its register_services returned a list with Stunnel, not a list of subclasses of Service.",
    ),
    "unknown hook": (
        STUNNEL.replace("def register_modules", "def register_module"),
        'There is no hook "register_module"; did you mean "register_modules"?',
    ),
    "unknown hook of a module": (
        in_stunnel("@hookimpl\n        def prepare_comand(self, context): return []"),
        'There is no hook "prepare_comand"; did you mean "prepare_command"?',
    ),
    "unknown argument": (
        STUNNEL.replace("def register_modules()", "def register_modules(agent)"),
        'The hook register_modules has no argument "agent": it has none.',
    ),
    "unknown argument of a module": (
        in_stunnel("def observe_command(self, contexts): return None"),
        """The module Stunnel can't be used: "observe_command" takes (self, contexts), and is called with (self, context).""",
    ),
    "a module's hook outside of a module": (
        STUNNEL + "\n    @hookimpl\n    def declare_needs(host):\n        return []\n",
        "The hook declare_needs is never asked of a plugin as a whole.",
    ),
    "a plugin's hook inside of a module": (
        in_stunnel("@hookimpl\n        def register_sources(self): return []"),
        "The hook register_sources is never asked of a module.",
    ),
    "a wrapper that is no generator": (
        STUNNEL + "\n    @hookimpl(wrapper=True)\n    def probes(context):\n        return []\n",
        "The wrapper of the hook probes has no yield, which gives it the answer.",
    ),
    "nothing is set": (
        """
        from chainwright import Module, hookimpl

        class Empty(Module):
            services = "nginx"
            check = "nginx -t"
            key_types = ()
            files = ["x"]
            enabled: bool = True

        @hookimpl
        def register_modules():
            return [Empty]
        """,
        (
            'The module Empty can\'t be used: it has no name; it has neither a docstring nor a title; it has no "declare_needs"; '
            'it has no "probes", and neither "unprobed" nor "confirm" says what shows its chains; '
            '"services" must be a tuple of texts, for example ("nginx",); '
            '"check" must be a tuple of texts, for example ("nginx",); '
            '"key_types" must be a tuple of KeyType that is not empty; "files" must be a tuple of ChainFile, Template or Text; '
            'its setting "enabled" belongs to the core.'
        ),
    ),
    "no reload": (
        in_stunnel("", instead_of='reload = ("true",)'),
        'The module Stunnel can\'t be used: it has none of "reload", "reload_command" and "services".',
    ),
    "a bad name": (
        in_stunnel('name = "../etc"', instead_of='name = "stunnel"'),
        'The module Stunnel can\'t be used: its name "../etc" must be lower-case letters, digits, "_" or "-", at most 64.',
    ),
    "bad files": (
        in_stunnel(
            'files = (ChainFile(path="k", parts=("key",), mode=0o660), Template(path="k", mode=0o4750, '
            "publish=__import__('pathlib').Path('etc/k')))\n        x: int = 1"
        ),
        (
            'The module Stunnel can\'t be used: the mode of "k" is 0660 (holds a key: 0600 or 0640); '
            'the mode of "k" is 4750 (at most 0770); "k" is published to "etc/k", which is no absolute path; '
            'the file "k" is declared twice.'
        ),
    ),
    "an unknown service": (
        in_stunnel('services = ("ngnix",)', instead_of='reload = ("true",)'),
        'The module "stunnel" uses the service "ngnix", which no loaded plugin registers; registered: none.',
    ),
    "a service without a reload": (
        SERVICE.replace("def reload_command", "def reload"),
        'The service Tunneld can\'t be used: it has no "reload_command".',
    ),
    "a source without its methods": (
        """
        from chainwright import Source, hookimpl

        class Vault(Source):
            name = "vault"

        @hookimpl
        def register_sources():
            return [Vault]
        """,
        'The source Vault can\'t be used: it has no "due"; it has no "obtain"; it has no "offers".',
    ),
    "a DNS solver without a name": (
        """
        from chainwright import DnsSolver, hookimpl

        class Script(DnsSolver):
            def present(self, name, value): ...
            def clean_up(self, name, value): ...

        @hookimpl
        def register_dns_solvers():
            return [Script]
        """,
        "The DNS solver Script can't be used: it has no name.",
    ),
}


def without_lines(text: str) -> str:
    """Return what is said of a plugin without the lines, which `test_mistakes` looks at."""
    return re.sub(r"(?<=\.py):\d+(?=\))|line \d+: ", "", text)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_says_what_is_wrong_and_disables_only_itself(case: str, appliance: ToyAppliance):
    source, cause = BROKEN[case]
    path = appliance.drop_in("broken", source)
    appliance.drop_in("good", STUNNEL.replace('name = "stunnel"', 'name = "good"'))
    registry = appliance.registry("broken", "good")
    found = without_lines(message(registry, "broken"))
    found = found.replace(f"({path.name}, ", "(FILE, ").replace("'broken'", "'stunnel'")
    assert found.startswith(f'plugin "broken" ({path}): {cause}\n{OFF} ')
    assert record(registry, "broken").state == "broken"
    assert record(registry, "good").state == "on"
    assert set(registry.modules) == {"good"}


def test_an_incomplete_class_does_not_stop_the_other_one_of_its_plugin(appliance: ToyAppliance):
    bad = "class Bad(Stunnel):\n        name = 'bad'\n\n    @hookimpl\n    def register_modules():\n        return [Bad, Stunnel]"
    appliance.drop_in("stunnel", STUNNEL.partition("@hookimpl")[0] + bad)
    registry = appliance.registry("stunnel")
    assert record(registry, "stunnel").contributions == ("module stunnel",)
    assert "it has neither a docstring nor a title" in message(registry, "stunnel")
    assert set(registry.refused) == {"bad"}


def test_ctrl_c_during_an_import_still_ends_the_agent(appliance: ToyAppliance):
    source = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)"
    appliance.drop_in("slow", source)
    with pytest.raises(KeyboardInterrupt):
        appliance.registry("slow")


def test_a_plugin_that_raises_what_ctrl_c_raises_is_one_that_fails(appliance: ToyAppliance):
    path = appliance.drop_in("slow", "raise KeyboardInterrupt")
    assert message(appliance.registry("slow"), "slow").startswith(
        f'plugin "slow" ({path}:1): Its import failed: KeyboardInterrupt.\n{OFF} '
    )
    assert "chainwright_plugin_slow" not in sys.modules


def test_the_line_is_named_that_fails_also_of_a_library_of_the_plugin(
    appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch
):
    files = {"toy_line": "import json\nfrom toy_line_library import load\n\nload()\n"}
    library = "import json\n\ndef load():\n    json.loads('{')\n"
    place = appliance.install("toy-line", "1.0", {**files, "toy_line_library": library}, "toy_line = toy_line")
    monkeypatch.syspath_prepend(place)
    assert message(appliance.registry("toy_line"), "toy_line").startswith(
        f'plugin "toy_line" (toy-line 1.0, {place}/toy_line.py:4): Its import failed: JSONDecodeError: '
    )


def test_an_import_that_hangs_is_given_up_and_all_else_goes_on(appliance: ToyAppliance):
    path = appliance.drop_in("slow", "import time\ntime.sleep(600)\n")
    appliance.drop_in("good", STUNNEL)
    found = candidates(appliance.layout)
    said: list[str] = []
    guard = Guard(culprits_of(found), patience=2, imports=4, say=said.append)
    registry = Registry.load(appliance.layout, {"slow", "good"}, builtin_sources=BUILT_IN, guard=guard)
    assert said == ["waiting for plugin slow: its import (line 2)"]
    assert message(registry, "slow") == (
        f'plugin "slow" ({path}:2): The plugin "slow" did not answer its import within 4 s, and is not asked again meanwhile.\n'
        f"{OFF} Correct or update it; chainwright plugins names its distribution."
    )
    assert set(registry.modules) == {"stunnel"}


def test_what_a_plugin_prints_at_its_import_goes_to_the_log(appliance: ToyAppliance, capfd: pytest.CaptureFixture):
    appliance.drop_in("loud", STUNNEL + '\n    print("hello")\n')
    appliance.registry("loud")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "plugin loud printed: hello\n")


def test_of_two_plugins_with_the_same_module_the_first_keeps_it(
    appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(appliance.install("toy-tunnels", "1.2", {"toy_tunnels": STUNNEL}))
    path = appliance.drop_in("also", STUNNEL)
    registry = appliance.registry("toy_tunnels", "also")
    assert message(registry, "also") == (
        f'plugin "also" ({path}): The module "stunnel" is already registered by toy_tunnels (toy-tunnels 1.2).\n'
        f"{OFF} Remove one of the two, then: chainwright plugins"
    )


def test_of_two_plugins_of_the_same_name_the_installed_one_keeps_it(
    appliance: ToyAppliance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(appliance.install("toy-tunnels", "1.2", {"toy_tunnels": STUNNEL}))
    path = appliance.drop_in("toy_tunnels", STUNNEL)
    registry = appliance.registry("toy_tunnels")
    first, second = (each for each in registry.plugins if each.name == "toy_tunnels")
    assert first.state == "on"
    assert str(second.errors[0]) == (
        f'plugin "toy_tunnels" ({path}): The plugin "toy_tunnels" is already registered by toy-tunnels 1.2.\n'
        f"{OFF} Remove one of the two, then: chainwright plugins"
    )


def test_a_built_in_source_keeps_its_name(appliance: ToyAppliance):
    appliance.drop_in(
        "mine",
        "from chainwright import hookimpl\nfrom support.appliances.toy import Local\nclass L(Local): ...\n" + RUNG,
    )
    assert 'The source "local" is already registered by the core.' in message(appliance.registry("mine"), "mine")


RUNG = "@hookimpl\ndef register_sources():\n    return [L]\n"


# Drop-in files that someone else could have written


def test_a_drop_in_that_its_group_can_write_to_is_refused_even_when_it_is_off(appliance: ToyAppliance):
    path = appliance.drop_in("stunnel", "raise SystemExit", mode=0o664)
    assert message(appliance.registry(), "stunnel") == (
        f"{path}: The drop-in plugin is not loaded: its group can write to it (mode 0664).\n"
        f"{OFF} Look at its content, then: chmod go-w {path}"
    )


def test_no_drop_in_is_loaded_from_a_directory_that_everyone_can_write_to(appliance: ToyAppliance):
    directory = appliance.drop_in("stunnel", STUNNEL).parent
    directory.chmod(0o777)
    assert message(appliance.registry("stunnel"), "stunnel") == (
        f"{directory}: The drop-in plugin is not loaded: every user can write to it (mode 0777).\n"
        f"{OFF} Look at its content, then: chmod go-w {directory}"
    )


def test_no_drop_in_is_loaded_from_below_a_directory_that_others_can_write_to(appliance: ToyAppliance):
    directory = appliance.drop_in("stunnel", STUNNEL).parents[1]
    directory.chmod(0o777)
    assert message(appliance.registry("stunnel"), "stunnel") == (
        f"{directory / 'plugins'}: The drop-in plugin is not loaded: "
        f"every user can write to the directory {directory} (mode 0777).\n"
        f"{OFF} Look at its content, then: chmod go-w {directory}"
    )


def test_a_drop_in_is_a_regular_file_with_a_proper_name(appliance: ToyAppliance):
    target = appliance.drop_in("stunnel", STUNNEL)
    (target.parent / "link.py").symlink_to(target)
    os.mkfifo(target.parent / "pipe.py")
    appliance.drop_in("Bad Name", STUNNEL)
    registry = appliance.registry("stunnel", "link", "pipe", "Bad Name")
    assert "it is a symbolic link." in message(registry, "link")
    assert "it can't be read: it is not a regular file." in message(registry, "pipe")
    assert 'its name "Bad Name" must be lower-case letters' in message(registry, "Bad Name")
    assert record(registry, "stunnel").state == "on"


# Drop-in packages

USES_A_HELPER = STUNNEL.replace(
    "from chainwright import", "from .helper import TITLE\n    from chainwright import", 1
).replace("'''TLS tunnels.'''", "title = TITLE")


def package(appliance: ToyAppliance, source: str = STUNNEL, **files: str) -> Path:
    for name, text in {"__init__": source, **files}.items():
        path = appliance.drop_in(f"stunnel/{name}", text)
    return path.parent


def test_a_drop_in_may_be_a_package_with_its_templates_beside(appliance: ToyAppliance):
    place = package(appliance, USES_A_HELPER, helper='TITLE = "Helped"')
    templates = place / "templates"
    templates.mkdir()
    registry = appliance.registry("stunnel")
    assert registry.modules["stunnel"].heading() == "Helped"
    assert record(registry, "stunnel").owner.origin == str(place / "__init__.py")
    assert record(registry, "stunnel").home == place
    assert search_path(appliance.layout.templates, "stunnel", registry.modules["stunnel"])[1] == templates
    assert not list(place.rglob("__pycache__"))


def test_of_a_package_that_has_changed_nothing_old_is_left(appliance: ToyAppliance):
    for title in ("One", "Other"):
        package(appliance, USES_A_HELPER, helper=f'TITLE = "{title}"')
        assert appliance.registry("stunnel").modules["stunnel"].heading() == title
    assert len([each for each in sys.meta_path if getattr(each, "name", "") == "chainwright_plugin_stunnel"]) == 1


def test_a_package_imports_later_and_reads_what_is_beside_it(appliance: ToyAppliance):
    source = """
        import importlib.resources

        def word():
            from .below.words import WORD
            return WORD, importlib.resources.files(__package__).joinpath("word.txt").read_text()
    """
    place = package(appliance, source)
    appliance.drop_in("stunnel/below/__init__", "")
    appliance.drop_in("stunnel/below/words", 'WORD = "later"')
    (place / "word.txt").write_text("beside")
    appliance.registry("stunnel")
    assert sys.modules["chainwright_plugin_stunnel"].word() == ("later", "beside")


def test_byte_code_in_a_package_is_never_used(appliance: ToyAppliance):
    place = package(appliance, USES_A_HELPER, helper='TITLE = "Old"')
    py_compile.compile(str(place / "helper.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    package(appliance, USES_A_HELPER, helper='TITLE = "New"')
    (place / "__pycache__").chmod(0o777)
    assert appliance.registry("stunnel").modules["stunnel"].heading() == "New"


@pytest.mark.parametrize("name", ["helper.py", "templates/stunnel.conf.j2", "below/data.bin"])
def test_every_file_of_a_package_is_root_s(appliance: ToyAppliance, name: str):
    path = package(appliance) / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    path.chmod(0o666)
    assert message(appliance.registry(), "stunnel") == (
        f"{path}: The drop-in plugin is not loaded: every user can write to it (mode 0666).\n"
        f"{OFF} Look at its content, then: chmod go-w {path}"
    )


def test_every_directory_of_a_package_is_root_s(appliance: ToyAppliance):
    below = package(appliance) / "below"
    below.mkdir()
    below.chmod(0o777)
    assert message(appliance.registry(), "stunnel") == (
        f"{below}: The drop-in plugin is not loaded: every user can write to it (mode 0777).\n"
        f"{OFF} Look at its content, then: chmod go-w {below}"
    )


def test_a_package_is_no_link_and_has_none(appliance: ToyAppliance, tmp_path: Path):
    place = package(appliance)
    (place / "data").symlink_to(tmp_path)
    (place.parent / "linked").symlink_to(place)
    registry = appliance.registry("stunnel", "linked")
    assert message(registry, "stunnel") == (
        f"{place}/data: The drop-in plugin is not loaded: it is a symbolic link.\n"
        f"{OFF} Look at its content, then: rm {place}/data; cp -r DIRECTORY {place}/data"
    )
    assert f"{place.parent}/linked: The drop-in plugin is not loaded: it is a symbolic link." in message(
        registry, "linked"
    )


def test_a_package_has_a_bound(appliance: ToyAppliance):
    place = package(appliance)
    for number in range(1001):
        (place / f"{number}.txt").touch()
    assert "it can't be read: there are more than 1000 files." in message(appliance.registry(), "stunnel")


def test_a_name_is_that_of_a_file_or_of_a_package(appliance: ToyAppliance):
    place = package(appliance)
    appliance.drop_in("stunnel", STUNNEL)
    assert message(appliance.registry("stunnel"), "stunnel") == (
        f"{place}: The drop-in plugin is not loaded: there is stunnel.py beside it, and a name is that of one plugin.\n"
        f"{OFF} Look at its content, then: rm {place}.py"
    )


def test_a_package_has_an_init_and_a_proper_name(appliance: ToyAppliance):
    package(appliance).rename(appliance.layout.plugins / "Bad-Name")
    alone = appliance.drop_in("alone/alone", STUNNEL)
    project = appliance.drop_in("project/stunnel/__init__", STUNNEL).parents[1]
    (project / "pyproject.toml").touch()
    (appliance.layout.plugins / "notes").mkdir()
    registry = appliance.registry("alone", "project", "Bad-Name", "notes")
    assert 'its name "Bad-Name" must be lower-case letters' in message(registry, "Bad-Name")
    said = f"The drop-in plugin is not loaded: it has no __init__.py.\n{OFF} Look at its content, then:"
    assert message(registry, "alone") == f"{alone.parent}: {said} mv {alone} {alone.parent}/__init__.py"
    assert message(registry, "project") == f"{project}: {said} mv {project}/stunnel {project.parent}/"
    assert "notes" not in {each.name for each in registry.plugins}


# Hooks of plugins that are on

OBSERVER = """
    from chainwright import hookimpl

    seen = []

    @hookimpl
    def on_event(event):
        seen.append(event)

    @hookimpl(wrapper=True)
    def declare_needs(host):
        found = yield
        return [*found]
"""


def test_only_enabled_plugins_observe(appliance: ToyAppliance):
    appliance.drop_in("stunnel", STUNNEL)
    appliance.drop_in("watcher", OBSERVER)
    on, off = appliance.registry("stunnel", "watcher"), appliance.registry("stunnel", also=["watcher"])
    assert set(on.enabled_plugins) == {"stunnel", "watcher"}
    assert set(off.enabled_plugins) == {"stunnel"}
    stunnel = on.modules["stunnel"]()
    hooks = Hooks({"stunnel": stunnel}, on.enabled_plugins)
    assert [need.names for need in hooks.declare_needs(stunnel, HOST)] == [("tunnel.example.test",)]


COMMANDS = """
    import click
    from chainwright import hookimpl

    @hookimpl
    def register_commands(commands, appliance):
        @commands.command("count")
        def count():
            click.echo(len(appliance.status()["chains"]))
"""


class ThreeChains:
    """As much of an appliance as the command looks at."""

    def status(self):
        return {"chains": [1, 2, 3]}


def test_plugins_add_commands_in_a_group_of_their_own(appliance: ToyAppliance):
    from click.testing import CliRunner

    appliance.drop_in("chains", COMMANDS)
    appliance.drop_in("stunnel", STUNNEL)
    appliance.drop_in(
        "bad", "from chainwright import hookimpl\n@hookimpl\ndef register_commands(commands):\n    commands.add(1)\n"
    )
    registry = appliance.registry("chains", "stunnel", "bad")
    added = {each.plugin: each for each in registry.commands(click.Group, ThreeChains())}
    assert set(added) == {"chains", "bad"}
    assert CliRunner().invoke(added["chains"].group, ["count"]).output == "3\n"
    assert added["bad"].group is None
    assert str(added["bad"].error).startswith(
        f'plugin "bad" ({appliance.layout.plugins}/bad.py:4): '
        "Its register_commands failed: AttributeError: 'Group' object has no attribute 'add'.\n"
        "Its commands are missing, its modules go on."
    )
