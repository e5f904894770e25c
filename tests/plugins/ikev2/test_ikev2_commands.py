"""What `chainwright ikev2` says, without an appliance behind it."""

import click
import pytest
from click.testing import CliRunner

from plugins.ikev2.commands import add_commands


class NobodySigned:
    """An appliance that has signed nothing."""

    def peers(self, *, module: str) -> list:
        return []

    def export(self, serial: str, **more) -> bytes:
        raise AssertionError(serial)

    revoke = export


@pytest.mark.parametrize("command", ["show", "export", "revoke"])
def test_a_branch_without_a_certificate_is_told_how_it_gets_one(command):
    group = click.Group("ikev2")
    add_commands(group, NobodySigned())
    result = CliRunner().invoke(group, [command, "nrth"])
    assert result.exit_code == 2
    assert '"nrth" has no certificate; chainwright ikev2 list shows those that have' in result.output


def test_a_request_is_signed_for_a_name_that_somebody_has_typed(tmp_path):
    group = click.Group("ikev2")
    add_commands(group, NobodySigned())
    (tmp_path / "a.csr").touch()
    result = CliRunner().invoke(group, ["sign", "north", str(tmp_path / "a.csr")])
    assert result.exit_code == 2
    assert "--name" in result.output
