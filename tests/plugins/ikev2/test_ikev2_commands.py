"""What `chainwright ikev2` says, without an appliance behind it."""

from dataclasses import replace
from datetime import UTC, datetime

import click
import pytest
from click.testing import CliRunner

from chainwright import Peer, Purpose
from plugins.ikev2.commands import add_commands

SIGNED = datetime(2026, 11, 1, tzinfo=UTC)
NORTH = Peer(
    serial="4f2a",
    sha256="ab" * 32,
    module="ikev2",
    label="north",
    names=("north.example.test",),
    purposes=(Purpose.SERVER, Purpose.CLIENT),
    root="cd" * 32,
    not_before=SIGNED,
    not_after=datetime(2999, 1, 1, tzinfo=UTC),
    created_at=SIGNED,
)


class NobodySigned:
    """An appliance that has signed nothing."""

    def now(self) -> datetime:
        return SIGNED

    def answer(self, data, lines) -> None:
        click.echo(f"{data}\n" + "\n".join(lines))

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


def test_where_nobody_has_a_certificate_that_is_said():
    group = click.Group("ikev2")
    add_commands(group, NobodySigned())
    assert CliRunner().invoke(group, ["list"]).output == (
        "{'peers': []}\n"
        "No branch has a certificate yet. One is made by: chainwright ikev2 sign BRANCH REQUEST --name NAME\n"
    )


class NorthSigned(NobodySigned):
    """An appliance that has signed one."""

    def peers(self, *, module: str) -> list[Peer]:
        return [NORTH]

    def export(self, serial: str, **more) -> bytes:
        return b"PEM of " + serial.encode() + b"\n"


def test_a_certificate_goes_to_the_terminal_or_to_a_file_or_nowhere(tmp_path):
    group = click.Group("ikev2")
    add_commands(group, NorthSigned())
    assert CliRunner().invoke(group, ["export", "north"]).output.endswith("\nPEM of 4f2a\n")
    out = tmp_path / "north.pem"
    assert "PEM of" not in CliRunner().invoke(group, ["export", "north", "--out", str(out)]).output.partition("\n")[2]
    assert out.read_bytes() == b"PEM of 4f2a\n"
    result = CliRunner().invoke(group, ["export", "north", "--out", str(tmp_path / "no/north.pem")])
    assert result.exit_code == 1
    assert "north.pem': No such file or directory" in result.output


class NorthSignedAgain(NobodySigned):
    """An appliance whose next root has signed what the one before had signed, and another branch's, which has ended."""

    def peers(self, *, module: str) -> list[Peer]:
        before = replace(
            NORTH, serial="4f29", root="ef" * 32, replaced_at=SIGNED, not_after=datetime(2998, 1, 1, tzinfo=UTC)
        )
        south = replace(NORTH, label="south", serial="5a2b", names=("south.example.test",))
        ended = replace(south, serial="5a2a", root="ef" * 32, replaced_at=SIGNED, not_after=SIGNED)
        return [NORTH, before, south, ended]


def test_a_branch_that_may_still_have_a_certificate_of_an_earlier_root_is_named():
    group = click.Group("ikev2")
    add_commands(group, NorthSignedAgain())
    assert CliRunner().invoke(group, ["list"]).output.splitlines()[1:] == [
        "north  north.example.test  good until 2999-01-01; the branch may still have one of an earlier root, until 2998-01-01",
        "south  south.example.test  good until 2999-01-01",
    ]


class LongAfter(NorthSigned):
    """The same in the year 3000, by the clock of commands."""

    def now(self) -> datetime:
        return datetime(3000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("appliance", "state"), [(NorthSigned, "good"), (LongAfter, "expired")])
@pytest.mark.parametrize("arguments", [["list"], ["show", "north"]])
def test_the_state_of_a_branch_is_by_the_clock_of_commands(appliance, state, arguments):
    group = click.Group("ikev2")
    add_commands(group, appliance())
    data, line = CliRunner().invoke(group, arguments).output.splitlines()[:2]
    assert f"'state': '{state}'" in data
    assert line == f"north  north.example.test  {state} until 2999-01-01"
