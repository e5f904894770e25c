"""The solver `lexicon`: the library in a process of its own, at a service whose API is a fake; and the list of providers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from agent.dns.solver_context import SolverContext
from agent.errors import AgentError
from chainwright import TxtRecord
from chainwright.testing import check_plugin
from plugins.lexicon.providers import FILE
from plugins.lexicon.solver import LexiconSolver
from support.fakes.source_context import utc_now
from support.paths import CHECKOUT, TESTS

ONE, TWO = "1" * 43, "2" * 43
RECORD = TxtRecord(name="_acme-challenge.a.test", value=ONE, domain="a.test")


def solver(provider: str = "powerdns", **options: str) -> LexiconSolver:
    return LexiconSolver.model_validate({"provider": provider, "options": options})


@pytest.mark.root
def test_values_are_written_into_the_zone_that_the_dns_names(tmp_path: Path) -> None:
    script = TESTS / "support/servers/lexicon_at_powerdns.py"
    argv = ["unshare", "--net", "--mount", sys.executable, str(script), str(tmp_path)]
    where = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{TESTS}"}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=100, env=where)
    assert done.returncode == 0, done.stderr
    made, cleaned, refused = map(json.loads, done.stdout.splitlines())

    def zones(*values: str) -> dict[str, object]:
        found = {"ttl": 60, "values": [*values]}
        return {
            "corp.example.test": {"_acme-challenge.corp.example.test.": found},
            "host.lan": {"_acme-challenge.www.host.lan.": found},
        }

    assert made == zones(ONE, TWO)
    assert cleaned == zones(TWO)
    cause, fix = refused
    assert cause.startswith(
        "The DNS service did not create the TXT record of _acme-challenge.corp.example.test: "
        'HTTPError: "401 Client Error: Unauthorized for url: ********/api/v1/servers/localhost/zon'
    )
    assert fix == (
        "Compare the options with the service's console; dns-lexicon itself is tried with: lexicon powerdns list ZONE TXT; "
        "then: chainwright renew"
    )


def test_the_list_of_providers_is_that_of_the_installed_library() -> None:
    argv = [sys.executable, "-m", "plugins.lexicon.introspection"]
    made = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    if os.environ.get("GOLDEN") == "write":
        FILE.write_text(made)
    assert FILE.read_text() == made, "GOLDEN=write pytest tests/plugins/dns writes it"


PAGE = CHECKOUT / "docs/dns/lexicon_providers.md"


def page() -> str:
    found = json.loads(FILE.read_text())
    head = f"""# Providers of dns-lexicon

As version {found["version"]} of the library has them, for the solver [lexicon](lexicon.md). "Extra": what it needs is brought by
`pip install "dns-lexicon[NAME]"`.

| provider | extra | options |
|---|---|---|
"""
    rows = (
        f"| `{name}` | {'yes' if each['extra'] else ''} | {', '.join(f'`{key}`' for key in each['options'])} |\n"
        for name, each in found["providers"].items()
    )
    return head + "".join(rows)


def test_the_page_of_providers_is_made_from_the_list() -> None:
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "GOLDEN=write pytest tests/plugins/dns writes it"


@pytest.mark.parametrize(
    ("provider", "options", "said"),
    [
        ("cloudflar", {}, 'there is no provider "cloudflar": did you mean "cloudflare"?'),
        ("ddns", {}, 'its provider "ddns" says yes to what a server refuses: use plugin = "rfc2136" instead'),
        ("powerdns", {"auth-token": "x"}, 'powerdns has no option "auth-token": did you mean "auth_token"?'),
        (
            "powerdns",
            {"zzz": "x"},
            'powerdns has no option "zzz": there are: auth_token, pdns_disable_notify, pdns_server, pdns_server_id',
        ),
    ],
)
def test_an_unknown_provider_or_option_is_asked_about(provider: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        solver(provider, **options)
    assert refused.value.errors()[0]["msg"] == f"Value error, {said}"


class Watched(SolverContext):
    """A context that notes what a program is given, and may run it by another Python."""

    calls: ClassVar[list[object]] = []
    python: ClassVar[str] = sys.executable

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", **options: Any) -> bytes:
        self.calls.append((argv, options.get("environment")))
        return SolverContext.run(self, [self.python, *argv[1:]], stdin=stdin, **options)


def failure(made: LexiconSolver, context: SolverContext) -> tuple[str, str, str]:
    with pytest.raises(AgentError) as failed:
        made.present_all([RECORD], context)
    problem = failed.value.problem
    return problem.cause, problem.where, problem.fix


def test_a_provider_whose_own_libraries_are_not_installed_is_told() -> None:
    context = Watched(rooted=Path, now=utc_now)
    assert failure(solver("route53", auth_access_key="key-of-mine", auth_access_secret="secret-of-mine"), context) == (
        (
            "The installed dns-lexicon can't use route53: This provider (route53) has required extra dependencies that are "
            "missing. Please run `pip install dns-lexicon[route53]` first before using it."
        ),
        "the DNS solver lexicon, provider route53",
        'Install what it needs: pip install "dns-lexicon[route53]"; then: chainwright renew',
    )
    assert "of-mine" not in str(context.calls), "its credentials are neither in arguments nor in the environment"


def test_the_extra_may_be_missing() -> None:
    class Bare(Watched):
        python = sys._base_executable  # the one that the virtual environment is made of

    assert failure(solver(), Bare(rooted=Path, now=utc_now)) == (
        "The library dns-lexicon isn't installed beside the agent.",
        "the DNS solver lexicon, provider powerdns",
        'Install it: pip install "chainwright[lexicon]"; then: chainwright renew',
    )


def test_a_library_that_takes_too_long_is_ended(context: SolverContext) -> None:
    made = LexiconSolver.model_validate({"provider": "powerdns", "seconds": 0.01})
    assert failure(made, context) == (
        "dns-lexicon did not come to an end with _acme-challenge.a.test: it took longer than 0.01 s.",
        "the DNS solver lexicon, provider powerdns",
        "Look whether this machine reaches the service; seconds in the table says how long it may take.",
    )


def test_the_plugin_is_a_good_one() -> None:
    check_plugin("lexicon", settings={"dns": {"lexicon": {"provider": "powerdns"}}}, acts=False)
