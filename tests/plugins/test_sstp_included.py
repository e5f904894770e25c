"""SSTP on an accel-ppp whose main file is the administrator's: it includes ours, and stays as it is."""

import pytest

from agent.model.deployment import Outcome
from support.appliances.sstp import SSTPAppliance

MAIN_FILE = """$include {root}/etc/accel-ppp.d/chainwright.conf
[modules]
sstp
[client-ip-range]
127.0.0.0/8
"""
INCLUDE = {"main": "include"}


@pytest.fixture
def included():
    """An accel-ppp whose main file is the administrator's, not applied yet."""
    with SSTPAppliance.make() as appliance:
        appliance.with_toy_accel_ppp(**INCLUDE)
        appliance.write_main_file(MAIN_FILE)
        yield appliance


def test_an_administrators_main_file_includes_ours_and_stays_as_it_is(included):
    before = included.main_file.read_text()
    included.bring_up()
    included.renew()
    included.apply()
    assert included.presented()[0] == included.chain()
    assert included.main_file.read_text() == before
    included_file = included.layout.rooted("/etc/accel-ppp.d/chainwright.conf")
    assert included_file.read_text().splitlines()[1] == f"$include {included.layout.service('sstp').live}/included.conf"


def said_of(box: SSTPAppliance, main_file: str) -> str:
    box.write_main_file(main_file)
    box.apply()
    assert box.deployment("sstp").outcome is Outcome.REFUSED
    assert not box.layout.rooted("/etc/accel-ppp.d/chainwright.conf").exists()
    return box.cause().partition(" refused the new configuration: ")[2]


LINE = "$include {root}/etc/accel-ppp.d/chainwright.conf\n"
MODULES = "[modules]\nsstp\n"
RANGES = "[client-ip-range]\n127.0.0.0/8\n"


@pytest.mark.parametrize(
    ("main_file", "sentence"),
    [
        (
            MODULES + RANGES + "[sstp]\nport=443\n" + LINE,
            "error: ROOT/etc/accel-ppp.conf has a section [sstp] before that of the agent; remove it.",
        ),
        (
            LINE + RANGES,
            "error: ROOT/etc/accel-ppp.conf does not load SSTP; add a line to [modules]: sstp.",
        ),
        (
            LINE + MODULES + "[client-ip-range]\n10.0.0.0/8\n192.168.0.0-255\nrubbish\n",
            "error: ROOT/etc/accel-ppp.conf does not let the agent look at SSTP; add a line to [client-ip-range]: 127.0.0.1/32.",
        ),
        (LINE + "[modules\n", 'error: ROOT/etc/accel-ppp.conf:2: a section without its "]".'),
        ("sstp\n" + LINE, "error: ROOT/etc/accel-ppp.conf:1: a line before the first section."),
        (
            LINE + "$include /nowhere.conf\n",
            "error: /nowhere.conf, named by ROOT/etc/accel-ppp.conf:2, can't be read: No such file or directory.",
        ),
        (LINE + "$include {root}/etc/accel-ppp.conf\n", "error: ROOT/etc/accel-ppp.conf includes itself."),
        (
            LINE + MODULES + RANGES + f"# {'x' * 1100}\n",
            "error: ROOT/etc/accel-ppp.conf:6: the line is too long for accel-ppp.",
        ),
    ],
)
def test_what_its_main_file_lacks_is_said_with_the_line_to_add_and_nothing_is_left_behind(
    included, main_file, sentence
):
    assert said_of(included, main_file) == sentence


@pytest.mark.parametrize("ranges", ["disable", "127.0.0.0-255", "127.0.0.1/32", "0.0.0.0/0"])
def test_every_way_to_let_the_agents_own_look_in_is_understood(included, ranges):
    included.write_main_file(LINE + MODULES + f"[client-ip-range]\n{ranges}\n[sstp]\nport=1\n")
    included.bring_up()


def test_the_line_to_add_is_told_when_the_file_that_it_names_is_there(included):
    included.write_main_file(MODULES + RANGES)
    included.apply()
    deployment = included.deployment("sstp")
    assert deployment.outcome is Outcome.WAITING
    assert "\n".join(deployment.problem.lines()).replace(str(included.root), "ROOT") == (
        "sstp: error: ROOT/etc/accel-ppp.conf does not include the agent's file; add as its first line: "
        "$include ROOT/etc/accel-ppp.d/chainwright.conf.\n"
        "The files that it is to name are in place; the service is not reloaded before it does. Add what is missing, then: "
        "chainwright apply"
    )
    assert included.layout.rooted("/etc/accel-ppp.d/chainwright.conf").exists()
    assert (included.layout.service("sstp").live / "included.conf").exists()
    assert included.engine().plan().actions != (), "it is looked at again"
    included.write_main_file(LINE + MODULES + RANGES)
    included.bring_up()
    assert included.presented()[0] == included.chain()


def test_a_module_that_is_gone_is_held_while_their_main_file_includes_ours_and_serves_nothing(included):
    """accel-ppp goes on with an empty file of ours until the line is taken out."""
    included.bring_up()
    included.settings('hostname = "gw"\naddresses = ["127.0.0.1"]\n')
    included.apply()
    problem = included.deployment("sstp").problem
    assert problem.code == "deploy.left_behind", problem
    assert list(included.layout.modules.rglob("*.pem")) == []
    assert included.layout.rooted("/etc/accel-ppp.d/chainwright.conf").exists()
    assert included.engine().plan().actions == ()
    included.write_main_file(MODULES + RANGES)
    included.kill()
    included.apply(retry=True)
    assert not included.layout.rooted("/etc/accel-ppp.d/chainwright.conf").exists()
    with included.store() as store:
        assert store.deployments.all() == {}
