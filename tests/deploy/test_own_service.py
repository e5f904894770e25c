"""A module with a service of its own: it is started where the operator allows it, and left alone where nobody listens."""

import pytest

from agent.engine.unchanged_settings import load_settings
from agent.errors.settings import SettingsRefused
from agent.model.deployment import Outcome
from agent.system.processes import process_of
from support.appliances.deployed import Deployed, served
from support.paths import THIRD_PARTY
from support.ports import free_port
from support.processes.tree import kill_all

NAME = "t.example.test"
RELOAD = "    def reload_command"
START = """    def running(self, context: Context) -> Path:
        return context.places.run / "toyd.pid"

    def start_command(self, context: Context) -> Command:
        return Command(("start-toyd", f"{context.places.live}/toyd.conf", str(context.places.run / "toyd.pid")))

"""
STARTER = '#!/bin/sh\nsetsid toyd "$@" "$0.control" >"$0.log" 2>&1 &\nwhile ! [ -s "$2" ]; do sleep 0.05; done\n'
COUNTED = '    def reload_command(self, context: Context) -> Command:\n        return Command(("reload-toyd",))\n'


def install(appliance: Deployed, more: str = START, reload: str = "") -> None:
    appliance.drop_in("tunnel")
    source = (
        (THIRD_PARTY / "tunnel.py")
        .read_text()
        .replace("import Iterable\n", "import Iterable\nfrom pathlib import Path\n")
    )
    source = source.replace("ChainFile, Context", "ChainFile, Command, Context")
    if reload:
        before, _, after = source.partition(RELOAD)
        source = f"{before}{reload}{after.partition('toyd.pid')[2].partition(chr(10))[2]}"
    (appliance.layout.plugins / "tunnel.py").write_text(source.replace("    def probes", f"{more}    def probes"))


def configure(appliance: Deployed, more: str = "") -> None:
    appliance.port = free_port()
    table = f'[modules.tunnel]\nport = {appliance.port}\ndomain = "{NAME}"\n{more}'
    appliance.settings(f'hostname = "gw"\n[probe]\ntimeout = 2\n{table}')


def test_the_agent_starts_it_where_the_operator_says_so(appliance):
    install(appliance)
    appliance.program("start-toyd", STARTER)
    configure(appliance, "start = true\n")
    appliance.apply()
    try:
        assert appliance.deployment("tunnel").outcome is Outcome.LIVE, appliance.deployment("tunnel").problem
        assert served(appliance.port, NAME)
    finally:
        kill_all([process_of(appliance.layout.run / "toyd.pid", appliance.root)])


def test_it_is_not_started_unless_the_operator_says_so(appliance):
    install(appliance)
    appliance.program("start-toyd", STARTER)
    configure(appliance)
    appliance.apply()
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.WAITING
    assert deployment.problem.cause == (
        f"The service can't be reloaded: no process has the number in {appliance.layout.run}/toyd.pid."
    )


def test_what_its_start_says_is_told(appliance):
    install(appliance)
    appliance.program("start-toyd", "#!/bin/sh\necho 'toyd: no licence' >&2\nexit 3\n")
    configure(appliance, "start = true\n")
    appliance.apply()
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.WAITING
    assert deployment.problem.cause == "The service does not run, and can't be started (start-toyd): toyd: no licence."


@pytest.mark.parametrize("listens", [False, True])
def test_a_reload_is_called_only_where_somebody_listens(appliance, listens):
    install(appliance, "", COUNTED)
    count = appliance.root / "reloads"
    pid = appliance.layout.run / "toyd.pid"
    appliance.program("reload-toyd", f'#!/bin/sh\necho >>{count}\nkill -HUP "$(cat {pid})"\n')
    configure(appliance)
    appliance.apply()
    assert not count.exists()
    assert appliance.deployment("tunnel").outcome is Outcome.WAITING
    if listens:
        appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
        appliance.apply()
    appliance.clock.advance(days=61)
    appliance.apply()
    assert count.exists() is listens
    assert appliance.deployment("tunnel").outcome is (Outcome.LIVE if listens else Outcome.WAITING)


def test_the_start_of_a_shared_service_is_not_the_modules(appliance):
    appliance.settings('[modules.sstp]\ndomain = "a.test"\nstart = true\n')
    with pytest.raises(SettingsRefused) as raised:
        load_settings(appliance.layout)
    (error,) = raised.value.errors
    assert str(error).endswith("[modules.sstp]: start: its service is started by [services.sstp] start = true")
