"""Who is behind a command, as the audit record names them."""

import pytest

from agent.auth.person import Actor
from agent.cli.actor import command_actor

NAMES = {0: "root", 1000: "ann"}
SUDO = {"SUDO_USER": "ann", "SUDO_UID": "1000"}


@pytest.mark.parametrize(
    ("environment", "uid", "name"),
    [
        ({}, 0, "root (uid 0)"),
        ({}, 1000, "ann (uid 1000)"),
        ({}, 4711, "uid 4711"),
        (SUDO, 0, "ann (uid 1000, by sudo)"),
        (SUDO, 1000, "ann (uid 1000)"),
        ({"SUDO_USER": "root", "SUDO_UID": "0"}, 1000, "ann (uid 1000)"),
        ({"SUDO_USER": "ann"}, 0, "root (uid 0)"),
        ({"SUDO_USER": "an\nn", "SUDO_UID": "1000"}, 0, "root (uid 0)"),
        ({"SUDO_USER": "ann", "SUDO_UID": "x"}, 0, "root (uid 0)"),
    ],
)
def test_a_command_is_that_of_its_user_and_sudo_is_believed_of_root_alone(environment, uid, name):
    assert command_actor(environment, uid, lambda number: NAMES.get(number, "")) == Actor(name, "command")
