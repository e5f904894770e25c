"""Settings and plugins are loaded once as long as nothing of them changes, and again as soon as something does."""

import pytest

from agent.engine.settings_in_force import KeptSettings
from agent.engine.unchanged_settings import UnchangedSettings, load_settings
from agent.errors.settings import SettingsRefused
from support.appliances.deployed import Deployed


class Counted:
    """Counts what it loads."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, layout):
        self.times += 1
        return load_settings(layout)


def test_they_are_loaded_once(tunnel: Deployed):
    load = Counted()
    loader = UnchangedSettings(load)
    assert loader(tunnel.layout) is loader(tunnel.layout)
    assert load.times == 1


def test_a_change_of_a_file_or_of_a_plugin_is_taken_at_once(tunnel: Deployed):
    loader = UnchangedSettings()
    before, _ = loader(tunnel.layout)
    assert before.hostname == "gw"
    text = tunnel.layout.settings.read_text()
    tunnel.layout.settings.write_text(text.replace('"gw"', '"gw2"'))
    after, registry = loader(tunnel.layout)
    assert after.hostname == "gw2"
    (drop_in,) = tunnel.layout.plugins.glob("tunnel*.py")
    drop_in.write_text(f"{drop_in.read_text()}\n# changed\n")
    assert loader(tunnel.layout)[1] is not registry


def test_a_change_of_a_secret_in_a_file_of_its_own_is_taken_at_once(tunnel: Deployed):
    secret = tunnel.layout.root / "hmac"
    secret.write_text("b25lIG9mIHRoaXJ0eS10d28gb2N0ZXRzIGluIGFsbA")
    secret.chmod(0o600)
    text = tunnel.layout.settings.read_text()
    account = '[acme.external_account]\nkid = "a"\nhmac_key_file = "/hmac"\n'
    tunnel.layout.settings.write_text(f"{text}\n[acme]\nagree_terms = true\n{account}")
    loader = UnchangedSettings()
    before, _ = loader(tunnel.layout)
    assert before.secret_files == (secret,)
    assert loader(tunnel.layout)[0] is before
    secret.write_text("dHdvIG9mIHRoaXJ0eS10d28gb2N0ZXRzIGluIGFsbA")
    assert loader(tunnel.layout)[0] is not before


def test_a_refusal_is_not_remembered(tunnel: Deployed):
    loader = UnchangedSettings()
    good = tunnel.layout.settings.read_text()
    tunnel.layout.settings.write_text("nonsense = 1\n")
    for _ in range(2):
        with pytest.raises(SettingsRefused):
            loader(tunnel.layout)
    tunnel.layout.settings.write_text(good)
    assert loader(tunnel.layout)[0].hostname == "gw"


def test_passes_of_one_process_load_them_once(tunnel: Deployed):
    loader = KeptSettings()
    assert loader(tunnel.layout) is loader(tunnel.layout)
    assert loader.refusal is None
