"""The solver `command`: what programs for lego, certbot and acme.sh are told, and what becomes of what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.dns.solver_context import SolverContext
from agent.errors import AgentError
from chainwright import TxtRecord
from chainwright.testing import check_plugin
from plugins.dns_command.solver import CommandSolver
from support.paths import CHECKOUT
from support.servers.zones import Zones

ACME_SH = CHECKOUT / ".test/acme_sh_sid/usr/share/acme.sh"
ONE, TWO = "1" * 43, "2" * 43
Write = Callable[[str], str]


def records(zone: str, *values: str, name: str = "") -> list[TxtRecord]:
    name = name or f"_acme-challenge.{zone}"
    return [TxtRecord(name=name, value=value, zone=zone, domain=zone) for value in values]


def solver(**settings: object) -> CommandSolver:
    return CommandSolver.model_validate(settings)


def problem_of(error: AgentError) -> tuple[str, str]:
    return error.problem.cause, error.problem.fix


# lego


def test_a_program_for_lego_is_called_with_the_deed_the_name_and_the_value(
    program: Write, context: SolverContext, tmp_path: Path
) -> None:
    hook = program(f'echo "$* $TOKEN" >>{tmp_path}/calls')
    made = solver(convention="lego", command=[hook, "exec"], environment={"TOKEN": "secret"})
    made.present_all(records("a.test", ONE, TWO), context)
    made.clean_up_all(records("a.test", TWO), context)
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"exec present _acme-challenge.a.test. {ONE} secret",
        f"exec present _acme-challenge.a.test. {TWO} secret",
        f"exec cleanup _acme-challenge.a.test. {TWO} secret",
    ]


def test_what_a_program_says_when_it_fails_is_told_without_its_credentials(
    program: Write, context: SolverContext
) -> None:
    made = solver(
        convention="lego",
        command=[program('echo first >&2; echo "token $TOKEN is wrong." >&2; exit 3')],
        environment={"TOKEN": "s3cret-token"},
    )
    with pytest.raises(AgentError) as failed:
        made.present_all(records("a.test", ONE), context)
    assert problem_of(failed.value) == (
        'The command "hook" did not make the TXT record of _acme-challenge.a.test: token ******** is wrong.',
        "Run it by hand with the same arguments and variables; then: chainwright renew",
    )
    assert failed.value.problem.detail == "first\ntoken ******** is wrong."


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exit 7", "it ended with 7"),
        ("sleep 60", "it took longer than 0.2 s"),
        ("yes", "it printed more than 1048576 octets"),
    ],
)
def test_a_program_has_bounds(program: Write, context: SolverContext, body: str, reason: str) -> None:
    seconds = 0.2 if "sleep" in body else 60
    made = solver(convention="lego", command=[program(body)], seconds=seconds)
    with pytest.raises(AgentError) as failed:
        made.present_all(records("a.test", ONE), context)
    assert problem_of(failed.value)[0] == (
        f'The command "hook" did not make the TXT record of _acme-challenge.a.test: {reason}.'
    )


def test_a_program_that_is_not_there_is_named(context: SolverContext) -> None:
    with pytest.raises(AgentError) as failed:
        solver(convention="lego", command=["/no/such"]).clean_up_all(records("a.test", ONE), context)
    assert problem_of(failed.value)[0] == (
        'The command "such" did not remove the TXT record of _acme-challenge.a.test: no such file or directory.'
    )


# certbot

NSUPDATE = """
printf '%s\\n' "server 127.0.0.1 $PORT" "update {change}" send | nsupdate -k "$KEY" >&2 || exit 1
echo "made by $CERTBOT_IDENTIFIER, $CERTBOT_REMAINING_CHALLENGES to go of $CERTBOT_ALL_DOMAINS"
echo "$CERTBOT_AUTH_OUTPUT" >>"$LOG"
"""
ADD = NSUPDATE.format(change='add _acme-challenge.$CERTBOT_DOMAIN. 60 TXT \\"$CERTBOT_VALIDATION\\"')
REMOVE = NSUPDATE.format(change='delete _acme-challenge.$CERTBOT_DOMAIN. TXT \\"$CERTBOT_VALIDATION\\"')


def test_a_pair_of_certbot_s_hooks_makes_records_and_removes_just_these(
    program: Callable[..., str], context: SolverContext, zones: Zones, key_file: Path, tmp_path: Path
) -> None:
    zone = zones.add("certbot.test")
    made = solver(
        convention="certbot",
        command=[program(ADD, "auth")],
        remove_command=[program(REMOVE, "clean-up")],
        environment={"PORT": str(zones.port), "KEY": str(key_file), "LOG": str(tmp_path / "said")},
    )
    made.present_all(records(zone, ONE, TWO), context)
    assert zones.bind9.txt(f"_acme-challenge.{zone}") == [ONE, TWO]
    made.clean_up_all(records(zone, ONE), context)
    assert zones.bind9.txt(f"_acme-challenge.{zone}") == [TWO]
    assert (tmp_path / "said").read_text().splitlines() == [
        "",
        "",
        "made by certbot.test, 1 to go of certbot.test,certbot.test",
    ]


def test_much_that_a_hook_prints_keeps_no_record_from_being_removed(
    program: Write, context: SolverContext, tmp_path: Path
) -> None:
    made = solver(
        convention="certbot",
        command=[program("head -c 500000 /dev/zero; printf '%200000s' x; echo end", "auth")],
        remove_command=[program(f'printf %s "$CERTBOT_AUTH_OUTPUT" >{tmp_path}/said', "clean-up")],
    )
    made.present_all(records("a.test", ONE), context)
    made.clean_up_all(records("a.test", ONE), context)
    assert (tmp_path / "said").read_text() == "xend"


def test_a_very_long_line_of_a_program_is_cut(program: Write, context: SolverContext) -> None:
    made = solver(convention="lego", command=[program("head -c 9000 /dev/zero | tr '\\0' x >&2; exit 1")])
    with pytest.raises(AgentError) as failed:
        made.present_all(records("a.test", ONE), context)
    assert failed.value.problem.cause == (
        f'The command "hook" did not make the TXT record of _acme-challenge.a.test: {"x" * 297}.'
    )


def test_a_hook_for_certbot_can_t_write_where_an_alias_leads(program: Write, context: SolverContext) -> None:
    hook = [program("touch called")]
    made = solver(convention="certbot", command=hook, remove_command=hook)
    with pytest.raises(AgentError) as failed:
        made.present_all(records("a.test", ONE, name="a.auth.test"), context)
    assert problem_of(failed.value) == (
        (
            "The record of a.test has to be written at a.auth.test, where the alias leads to, and hooks in certbot's way write "
            "at _acme-challenge.NAME only."
        ),
        (
            'Let the alias lead to a name that begins with _acme-challenge, or use convention = "lego" or "acme.sh"; '
            "then: chainwright renew"
        ),
    )


# Settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"convention": "lego"}, 'convention = "lego" takes command, and no other of them'),
        (
            {"convention": "certbot", "command": ["x"]},
            'convention = "certbot" takes command and remove_command, and no other of them',
        ),
        ({"convention": "acme.sh", "command": ["x"]}, 'convention = "acme.sh" takes script, and no other of them'),
        ({"convention": "acme.sh", "script": "../x"}, "String should match pattern"),
        ({"convention": "lego", "command": []}, "at least 1 item"),
        ({"convention": "lego", "command": ["x"], "environment": {"A=B": "x"}}, "String should match pattern"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("[", r"\[")):
        solver(**settings)


def test_the_plugin_is_a_good_one(program: Write) -> None:
    check_plugin("command", settings={"dns": {"command": {"convention": "lego", "command": [program(":")]}}})
