"""`[plugins.NAME]` and `[notify.NAME]`: settings of plugins as a whole, and of notifiers."""

from pathlib import Path

import pytest

from agent.config.loading import load_all
from agent.config.shown import shown_tables, toml_lines
from agent.engine.pass_inputs import LastHooks
from agent.engine.unchanged_settings import UnchangedSettings
from agent.errors.settings import SettingsRefused
from agent.model.need import HostFacts
from agent.registry.contract_checks import Owner
from support.appliances.toy import BUILT_IN, STUNNEL, ToyAppliance
from support.clients.terminal import Terminal

CHAT = """
    from chainwright import Notifier, PluginSettings, Secret, hookimpl

    class Settings(PluginSettings):
        token: Secret
        room: str = "lobby"

        @hookimpl(wrapper=True)
        def names_to_resolve(self, host):
            answer = yield
            return [*answer, f"{self.room}.example.test"]

    class Chat(Notifier):
        name = "chat"
        url: str = "http://127.0.0.1/"

        def send(self, event, context):
            raise NotImplementedError

    @hookimpl
    def register_settings():
        return Settings

    @hookimpl
    def register_notifiers():
        return [Chat]
"""
EMPTY = "from chainwright import hookimpl\n"


@pytest.fixture
def appliance(tmp_path: Path) -> ToyAppliance:
    toy = ToyAppliance(tmp_path)
    toy.drop_in("chat", CHAT)
    toy.drop_in("stunnel", STUNNEL)
    toy.drop_in("empty", EMPTY)
    return toy


def refused(appliance: ToyAppliance, text: str) -> list[str]:
    appliance.settings(text)
    with pytest.raises(SettingsRefused) as raised:
        appliance.load()
    return [str(error).removeprefix(f"{appliance.layout.etc}/chainwright.toml: ") for error in raised.value.errors]


def states(appliance: ToyAppliance) -> dict[str, str]:
    return {each.name: each.state for each in load_all(appliance.layout, BUILT_IN).plugins}


def test_a_table_enables_a_plugin_and_is_its_settings(appliance):
    appliance.settings('[plugins.chat]\ntoken_file = "/etc/token"\nroom = "ops"\n')
    appliance.secret("/etc/token", "s3cret\n")
    settings, registry = appliance.load()
    made = settings.plugin_settings["chat"]
    assert (made.room, made.token.reveal()) == ("ops", "s3cret")
    assert "s3cret" not in repr(made)
    assert set(registry.enabled_plugins) == {"chat"}
    assert settings.secret_files == (appliance.layout.rooted("/etc/token"),)


def test_a_plugin_that_takes_no_settings_has_an_empty_table(appliance):
    appliance.settings("[plugins.empty]\n")
    settings, registry = appliance.load()
    assert set(settings.plugins) == set(registry.enabled_plugins) == {"empty"}
    assert refused(appliance, "[plugins.empty]\nroom = 1\n") == ["[plugins.empty] room: unknown key; allowed: enabled"]


def test_a_table_can_be_disabled(appliance):
    appliance.settings("[plugins.chat]\nenabled = false\nroom = 5\n[notify.chat]\nenabled = false\nurl = 5\n")
    settings, registry = appliance.load()
    assert settings.plugin_settings == settings.notifiers == registry.enabled_plugins == {}
    assert states(appliance)["chat"] == "off"
    shown = list(toml_lines(shown_tables(settings), origin=False))
    assert shown[shown.index("[plugins.chat]") + 1] == "enabled = false"
    assert shown[shown.index("[notify.chat]") + 1 :][:2] == ["enabled = false", 'plugin = "chat"']


def test_settings_of_a_plugin_that_another_table_enables_need_no_table(appliance):
    source = f"{STUNNEL.replace('stunnel', 'both')}\n{CHAT.replace('token: Secret', 'token: Secret | None = None')}"
    appliance.drop_in("both", source)
    appliance.settings("[modules.both]\n")
    settings, _ = appliance.load()
    assert settings.plugin_settings["both"].room == "lobby"


def test_what_is_missing_or_misspelt_is_named(appliance):
    assert refused(appliance, "[plugins.chat]\n") == ["[plugins.chat] token: is missing"]
    assert refused(appliance, '[plugins.chat]\ntoken_fil = "/etc/token"\n') == [
        "[plugins.chat] token: is missing",
        '[plugins.chat] token_fil: unknown key; did you mean "token_file"? Allowed: enabled, room, token, token_file',
    ]
    (error,) = refused(appliance, "[plugins.chta]\n")
    assert error.startswith(
        '[plugins.chta]: no plugin is named "chta"; did you mean "chat"? Installed: acme_dns, chat, command,'
    )
    assert refused(appliance, "[plugins]\nchat = 1\n") == ["[plugins.chat]: must be a table: [plugins.chat]"]
    assert refused(appliance, "[plugins.empty]\nenabled = 1\n") == ["[plugins.empty] enabled: must be true or false"]


def test_the_list_of_plugins_of_earlier_versions_is_met_with_what_to_write(appliance):
    assert refused(appliance, 'plugins = ["chat", "empty"]\n') == [
        "plugins: is a table for each plugin, no list; write in its place: [plugins.chat], [plugins.empty]"
    ]
    assert refused(appliance, "plugins = []\n") == ["plugins: is a table for each plugin, no list"]
    assert refused(appliance, "plugins = 1\n") == ["plugins: must be a table of tables: [plugins.NAME]"]


def test_secrets_are_masked_where_settings_are_shown(appliance):
    main = appliance.settings('[plugins.chat]\ntoken = "s3cret"\n[notify.pager]\nplugin = "chat"\n', mode=0o600)
    settings, _ = appliance.load()
    text = "\n".join(toml_lines(shown_tables(settings), origin=True))
    assert "s3cret" not in text
    assert (
        f'[plugins.chat]\nenabled = true  # default\ntoken = "********"  # {main}\nroom = "lobby"  # default\n' in text
    )
    assert (
        f'[notify.pager]\nenabled = true  # default\nplugin = "chat"  # {main}\nurl = "http://127.0.0.1/"  # default'
    ) in text


def test_a_notifier_may_have_several_tables(appliance):
    tables = '[notify.chat]\n[notify.second]\nplugin = "chat"\nurl = "http://127.0.0.2/"\n'
    appliance.settings(f"{tables}[plugins.chat]\nenabled = false\n")
    settings, _ = appliance.load()
    assert {name: each.url for name, each in settings.notifiers.items()} == {
        "chat": "http://127.0.0.1/",
        "second": "http://127.0.0.2/",
    }


def test_a_notifier_that_is_unknown_or_misspelt_is_named(appliance):
    text = '[plugins.chat]\ntoken_file = "/etc/token"\n'
    appliance.secret("/etc/token", "s3cret\n")
    assert refused(appliance, f'{text}[notify.x]\nplugin = "chta"\n') == [
        '[notify.x] plugin: no notifier is named "chta"; did you mean "chat"? Known: chat'
    ]
    assert refused(appliance, f"{text}[notify.chta]\n") == [
        '[notify.chta]: no notifier is named "chta"; did you mean "chat"? Known: chat'
    ]
    assert refused(appliance, f"{text}[notify.chat]\nurk = 1\n") == [
        '[notify.chat] urk: unknown key; did you mean "url"? Allowed: enabled, plugin, url'
    ]
    assert refused(appliance, f'{text}[notify."A b"]\nplugin = "chat"\n') == [
        '[notify.A b]: the name of a notifier must be lower-case letters, digits, "_" or "-", at most 64'
    ]


def test_a_broken_plugin_refuses_no_settings(appliance):
    appliance.drop_in("chat", "import nothing_at_all\n")
    appliance.settings('[plugins.chat]\ntoken = "x"\n[notify.chat]\n')
    settings, registry = appliance.load()
    assert settings.plugin_settings == settings.notifiers == {}
    assert set(registry.broken) == {"chat"}


def test_settings_that_change_are_loaded_again_also_where_they_are_in_a_file_of_their_own(appliance):
    appliance.settings('[plugins.chat]\ntoken_file = "/etc/token"\n')
    appliance.secret("/etc/token", "first\n")
    load = UnchangedSettings(lambda _layout: appliance.load())
    first = load(appliance.layout)
    assert load(appliance.layout) is first
    appliance.secret("/etc/token", "second, longer\n")
    assert load(appliance.layout)[0].plugin_settings["chat"].token.reveal() == "second, longer"


def test_methods_of_the_settings_wrap_hooks_and_read_the_settings(appliance):
    appliance.settings('[modules.stunnel]\n[plugins.chat]\ntoken_file = "/etc/token"\nroom = "ops"\n')
    appliance.secret("/etc/token", "s3cret")
    loaded = appliance.load()
    hooks = LastHooks()(loaded).hooks
    assert hooks.names_to_resolve(loaded[0].modules["stunnel"], HostFacts(name="gw", addresses=())) == [
        "ops.example.test"
    ]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "return [Settings]",
            "Its register_settings returned list, not a subclass of PluginSettings.",
        ),
        ("return Wrong", "Its register_settings returned Wrong, not a subclass of PluginSettings."),
        ("return Reserved", 'The settings Reserved can\'t be used: line 9: its setting "enabled" belongs to the core.'),
        ("return Misplaced", "The hook declare_needs is never asked of a plugin as a whole."),
        ("return Inner", "The hook register_modules is never asked of a plugin's settings."),
        ("return Misspelt", 'There is no hook "on_evnt"; did you mean "on_event"?'),
    ],
)
def test_a_class_of_settings_that_can_not_be_used_disables_its_plugin(appliance, source, said):
    appliance.drop_in("odd", ODD.format(source))
    appliance.settings("[plugins.odd]\n")
    settings, registry = appliance.load()
    assert settings.plugin_settings == {}
    assert registry.broken["odd"].problem.cause == said


ODD = """
    from chainwright import PluginSettings, hookimpl

    class Settings(PluginSettings): ...

    class Wrong: ...

    class Reserved(PluginSettings):
        enabled: bool = True

    class Misplaced(PluginSettings):
        @hookimpl
        def declare_needs(self, host):
            return []

    class Inner(PluginSettings):
        @hookimpl
        def register_modules(self):
            return []

    class Misspelt(PluginSettings):
        @hookimpl
        def on_evnt(self, event): ...

    @hookimpl
    def register_settings():
        {}
"""


def test_what_offers_settings_says_so(appliance):
    (record,) = [each for each in load_all(appliance.layout, BUILT_IN).plugins if each.name == "chat"]
    assert record.owner == Owner("chat", str(appliance.layout.plugins / "chat.py"))
    assert record.contributions == ("notifier chat", "settings")


def test_a_check_of_the_settings_names_a_broken_plugin_without_a_module(appliance):
    appliance.layout.plugins.mkdir(parents=True, exist_ok=True)
    path = appliance.layout.plugins / "strict.py"
    path.write_text("from chainwright import hookimpl\n\n@hookimpl\ndef on_event(evnt):\n    pass\n")
    appliance.settings('hostname = "gw"\n[plugins.strict]\n')
    done = Terminal(appliance.root).run("config", "check")
    assert (done.returncode, done.stderr.splitlines()) == (
        3,
        [
            f'plugin "strict" ({path}:4): The hook on_event has no argument "evnt": it has event.',
            "It is disabled, everything else goes on. Correct it in the plugin, then: chainwright plugins",
        ],
    )
