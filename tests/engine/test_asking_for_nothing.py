"""A module without needs asks for nothing: that is well, and nothing of it is deployed."""

from support.clients.terminal import Terminal
from support.told import told

PLUGIN = """
from chainwright import ChainFile, Module, Name, Part, hookimpl

class Quiet(Module):
    '''Quiet.'''

    name = "quiet"
    files = (ChainFile(path="quiet.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    reload = ("touch", "{root}/reloaded")
    unprobed = "nobody listens"
    domain: Name | None = None

    def declare_needs(self, host):
        return [self.need(self.domain)] if self.domain else []

@hookimpl
def register_modules():
    return [Quiet]
"""


def enable(appliance, more: str = "") -> None:
    (appliance.layout.plugins / "quiet.py").write_text(PLUGIN.format(root=appliance.root))
    text = appliance.layout.settings.read_text().partition("[modules.quiet]")[0]
    appliance.settings(f"{text}[modules.quiet]\n{more}")


def test_it_is_well_and_shown_as_such_and_not_deployed(tunnel):
    enable(tunnel)
    tunnel.apply()
    assert told(tunnel) == []
    assert not (tunnel.root / "reloaded").exists()
    with tunnel.store() as store:
        assert "quiet" not in store.deployments.all()
    terminal = Terminal(tunnel.root)
    assert "o asks for nothing  quiet  Quiet" in terminal.run("status").stdout
    assert "It asks for no chain." in terminal.run("explain", "quiet").stdout
    assert terminal.run("apply").stdout.startswith("Nothing to do.")


def test_it_is_deployed_once_it_asks(tunnel):
    enable(tunnel)
    tunnel.apply()
    enable(tunnel, 'domain = "q.example.test"\n')
    tunnel.apply()
    assert (tunnel.live("quiet") / "quiet.pem").is_file()
    assert (tunnel.root / "reloaded").exists()


def test_one_that_asks_no_longer_has_no_key_left_in_service(tunnel):
    enable(tunnel, 'domain = "q.example.test"\n')
    tunnel.apply()
    enable(tunnel)
    tunnel.apply()
    assert list(tunnel.live("quiet").iterdir()) == []
    assert told(tunnel) == []
