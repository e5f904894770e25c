"""A service that systemd manages, or that is told by signals: what it does unless its plugin says otherwise."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from agent.contract.context import Http01
from agent.errors.plugin_loading import ContributionRefused
from agent.registry.contract_checks import Owner, check_class
from agent.system.layout import Layout
from chainwright import (
    Command,
    HostFacts,
    IncludedService,
    Places,
    Service,
    ServiceContext,
    Signal,
    SystemdService,
)
from support.pages import rows, section, words
from third_party.proxyd import Proxyd

LAYOUT = Layout(Path("/gw"))
PLACES = LAYOUT.service("tunneld")
CONTEXT = ServiceContext(
    service="tunneld",
    directory=Path("/gw/candidate"),
    parts=(),
    host=HostFacts(name="gw", addresses=("127.0.0.1",)),
    http01=Http01(webroot=LAYOUT.webroot),
    places=PLACES,
)


class Tunneld(SystemdService):
    """A daemon that has a pid file and nothing else."""

    name: ClassVar[str] = "tunneld"

    def pid_path(self, places: Places) -> Path:
        return places.rooted("/run/tunneld.pid")


PAGE = section("docs/plugins/service.md", "## A daemon with a unit")


def test_systemd_is_asked_by_default():
    service = Tunneld()
    assert service.reload_command(CONTEXT) == Command(("systemctl", "reload", "tunneld"))
    assert service.running(CONTEXT) == Command(("systemctl", "is-active", "--quiet", "tunneld"))
    assert service.start_command(CONTEXT) == Command(("systemctl", "start", "tunneld"))


def test_the_unit_may_have_another_name_than_the_service():
    assert Tunneld(unit="tunneld-gw").reload_command(CONTEXT) == Command(("systemctl", "reload", "tunneld-gw"))


def test_without_systemd_the_process_gets_a_signal_and_is_known_by_its_pid_file():
    service, pid_file = Tunneld(manager="commands"), Path("/gw/run/tunneld.pid")
    assert service.reload_command(CONTEXT) == Signal(pid_file, name="HUP")
    assert service.running(CONTEXT) == pid_file


def test_a_plugin_names_another_signal_and_a_program_that_starts_the_daemon():
    class Started(Tunneld):
        reload_signal: ClassVar[str] = "USR1"

        def start_program(self, context: ServiceContext) -> Command:
            return Command(("tunneld", "-p", str(self.pid_path(context.places))))

    service = Started(manager="commands")
    assert service.reload_command(CONTEXT) == Signal(Path("/gw/run/tunneld.pid"), name="USR1")
    assert service.start_command(CONTEXT) == Command(("tunneld", "-p", "/gw/run/tunneld.pid"))
    assert Started().start_command(CONTEXT) == Command(("systemctl", "start", "tunneld"))


def test_without_a_program_only_systemd_can_start_it():
    assert Tunneld(manager="commands").start_command(CONTEXT) is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"manager": "upstart"}, "Input should be 'systemd' or 'commands'"),
        ({"unit": "a b"}, 'must be letters, digits, "_", "." or "-"'),
        ({"unit": ""}, 'must be letters, digits, "_", "." or "-"'),
        ({"main": "mine"}, "Input should be 'include' or 'own'"),
        ({"binary": "proxyd"}, "must be an absolute path"),
        ({"configuration": "/etc/../proxyd.conf"}, 'must be an absolute path .* without ".."'),
        ({"pid_file": "/run/proxyd pid"}, "must be an absolute path"),
        ({"socket": "/run/x"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_can_not_be_meant_are_refused(settings: dict[str, str], reason: str):
    with pytest.raises(ValidationError, match=reason):
        Proxyd(**settings)


def test_the_administrator_s_main_file_is_tested_in_place_and_includes_ours():
    service = Proxyd()
    assert service.checks_in_place
    assert service.check_command(CONTEXT) == Command(("/usr/sbin/proxyd", "-t", "-c", "/gw/etc/proxyd.conf"))
    assert service.pid_path(PLACES) == Path("/gw/run/proxyd.pid")
    _, file = service.render_entry(CONTEXT)
    assert (file.path, file.publish, file.how) == ("include.conf", Path("/etc/proxyd.d/chainwright.conf"), "copy")
    assert file.text == f"# Made by Chainwright; changes here are lost.\ninclude {PLACES.live}/proxyd.conf\n"


def test_an_instance_of_the_agent_s_own_is_tested_before_it_is_switched_to():
    service = Proxyd(main="own", manager="commands")
    assert not service.checks_in_place
    assert [file.path for file in service.render_entry(CONTEXT)] == ["proxyd.conf"]
    assert service.check_command(CONTEXT) == Command(("/usr/sbin/proxyd", "-t", "-c", "/gw/candidate/proxyd.conf"))
    assert service.start_command(CONTEXT) == Command(("/usr/sbin/proxyd", "-c", f"{PLACES.live}/proxyd.conf"))
    assert service.reload_command(CONTEXT) == Signal(PLACES.run / "proxyd.pid")


def test_a_pid_file_of_the_settings_counts_for_both():
    for main in ("include", "own"):
        assert Proxyd(main=main, pid_file="/run/other.pid").pid_path(PLACES) == Path("/gw/run/other.pid")


def test_a_service_without_a_pid_file_is_refused_when_its_plugin_is_loaded():
    class Nowhere(SystemdService):
        name: ClassVar[str] = "nowhere"

    with pytest.raises(ContributionRefused, match='it has no "pid_path"'):
        check_class(Owner("nowhere", "nowhere.py"), "register_services", Nowhere)
    check_class(Owner("tunneld", "tunneld.py"), "register_services", Tunneld)
    assert issubclass(Tunneld, Service)


def test_an_administrator_is_told_how_to_start_what_has_ended():
    by_unit = "systemctl status proxyd, then systemctl start proxyd"
    by_agent = "look at its log and start proxyd, or set `start = true` in [services.proxyd], then: chainwright apply"
    assert Proxyd(manager="systemd").restart_advice == by_unit
    assert Proxyd(manager="commands").restart_advice == by_agent
    assert Proxyd(manager="commands", start=True).restart_advice == "look at its log and start proxyd"


def test_what_the_agent_can_not_start_is_not_left_to_it():
    class Held(SystemdService):
        name: ClassVar[str] = "held"

        def pid_path(self, places):
            return places.run / "held.pid"

    assert Held(manager="commands").restart_advice == "look at its log and start held"


def test_each_setting_and_each_name_for_plugins_is_documented():
    named = {word.partition("(")[0] for row in rows(PAGE) for word in words(row[0])}
    inherited = {
        "start",
        "reload_command",
        "running",
        "start_command",
        "checks_in_place",
        "restart_advice",
        "why_unseen",
    }
    public = {name for each in (SystemdService, IncludedService) for name in (*vars(each), *each.__annotations__)}
    assert named == {name for name in public if not name.startswith(("_", "model_"))} - inherited
