"""The solver `command`: what programs for lego, certbot and acme.sh are told, and what becomes of what they say."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.dns.solver_context import SolverContext
from agent.errors import AgentError
from chainwright import TxtRecord
from chainwright.testing import check_plugin
from plugins.dns_command.acme_sh import PREFIX, remove_left
from plugins.dns_command.solver import CommandSolver
from support.paths import CHECKOUT
from support.servers.zones import Zones
from support.waiting import until

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


# acme.sh


def nsupdate_of_acme_sh(zones: Zones, key_file: Path, **settings: object) -> CommandSolver:
    environment = {
        "NSUPDATE_SERVER": "127.0.0.1",
        "NSUPDATE_SERVER_PORT": str(zones.port),
        "NSUPDATE_KEY": str(key_file),
    }
    given = {"convention": "acme.sh", "script": "dns_nsupdate", "acme_sh": str(ACME_SH), "environment": environment}
    return solver(**given | settings)


def homes() -> list[Path]:
    return [*Path(tempfile.gettempdir()).glob(f"{PREFIX}*")]


def test_a_script_of_acme_sh_makes_records_at_a_real_server_and_leaves_no_credentials(
    context: SolverContext, zones: Zones, key_file: Path
) -> None:
    zone = zones.add("acmesh.test")
    made = nsupdate_of_acme_sh(zones, key_file)
    made.present_all(records(zone, ONE, TWO), context)
    assert zones.bind9.txt(f"_acme-challenge.{zone}") == [ONE, TWO]
    until(lambda: zones.knot.txt(f"_acme-challenge.{zone}") == [ONE, TWO])
    made.clean_up_all(records(zone, ONE), context)
    assert zones.bind9.txt(f"_acme-challenge.{zone}") == [], "dns_nsupdate removes all TXT records of a name"
    assert homes() == []


def test_a_script_of_acme_sh_that_is_refused_fails(context: SolverContext, zones: Zones, key_file: Path) -> None:
    zone = zones.add("acmeshrefused.test")
    with zones.bind9.frozen(zone), pytest.raises(AgentError) as failed:
        nsupdate_of_acme_sh(zones, key_file).present_all(records(zone, ONE), context)
    assert problem_of(failed.value)[0] == (
        f'The command "dns_nsupdate" did not make the TXT record of _acme-challenge.{zone}: error updating domain.'
    )
    assert "REFUSED" in failed.value.problem.detail
    assert homes() == []


def test_homes_of_processes_that_were_killed_are_removed_by_the_next_call(
    context: SolverContext, zones: Zones, key_file: Path
) -> None:
    old, new = (Path(tempfile.mkdtemp(prefix=PREFIX)) for _ in range(2))
    (old / "account.conf").write_text("SAVED_TOKEN='x'\n")
    os.utime(old, (time.time() - 4000, time.time() - 4000))
    try:
        zone = zones.add("acmeshhomes.test")
        nsupdate_of_acme_sh(zones, key_file).present_all(records(zone, ONE), context)
        assert homes() == [new]
    finally:
        new.rmdir()


def test_a_home_that_another_call_removes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    remove_left([tmp_path / "gone", old], old.stat().st_mtime + 4000)
    assert not old.exists()


def test_a_script_that_acme_sh_has_not_is_asked_about(context: SolverContext, zones: Zones, key_file: Path) -> None:
    with pytest.raises(AgentError) as failed:
        nsupdate_of_acme_sh(zones, key_file, script="dns_nsupdat").present_all(records("a.test", ONE), context)
    assert problem_of(failed.value) == (
        f'acme.sh has no script "dns_nsupdat" for DNS services in {ACME_SH}/dnsapi.',
        'Did you mean "dns_nsupdate"? Set script to the name of a file there, without .sh; then: chainwright apply',
    )


def test_acme_sh_itself_may_be_missing(context: SolverContext) -> None:
    made = solver(convention="acme.sh", script="dns_cf", acme_sh="/no/such")
    with pytest.raises(AgentError) as failed:
        made.present_all(records("a.test", ONE), context)
    assert problem_of(failed.value) == (
        "The scripts of acme.sh need acme.sh itself, and there is no /no/such/acme.sh.",
        (
            "Install the package acme.sh (Debian 13 or newer has it), or unpack acme.sh and set acme_sh to its directory; "
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
