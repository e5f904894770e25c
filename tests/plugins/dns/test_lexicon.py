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
from plugins.lexicon.providers import FILE, read_providers
from plugins.lexicon.solver import LexiconSolver
from support.fakes.source_context import utc_now
from support.paths import CHECKOUT, TESTS

ONE, TWO = "1" * 43, "2" * 43
RECORD = TxtRecord(name="_acme-challenge.a.test", value=ONE, domain="a.test")


POWERDNS = {"auth_token": "token-of-mine", "pdns_server": "http://127.0.0.1:9"}


def solver(provider: str, **options: str) -> LexiconSolver:
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

| provider | extra | needed | other options |
|---|---|---|---|
"""
    rows = (
        f"| `{name}` | {'yes' if each['extra'] else ''} | {needed(each)} | {others(each)} |\n"
        for name, each in found["providers"].items()
    )
    return head + "".join(rows)


def needed(provider: dict[str, Any]) -> str:
    return ", or ".join(" and ".join(f"`{key}`" for key in way) or "none" for way in provider["needed"])


def others(provider: dict[str, Any]) -> str:
    """Return those that may be given, with the values that they take."""
    told = provider.get("choices", {}) | {key: ["true", "false"] for key in provider.get("flags", ())}
    keys = (
        [*provider["options"]] if len(provider["needed"]) > 1 else provider["options"].keys() - {*provider["needed"][0]}
    )
    rest = [key for key in provider["options"] if key in keys]
    shown = [f"`{key}`{values(told[key]) if key in told else ''}" for key in rest]
    return ", ".join(shown)


def values(allowed: list[str]) -> str:
    return f" ({', '.join(allowed)})"


def test_the_page_of_providers_is_made_from_the_list() -> None:
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "GOLDEN=write pytest tests/plugins/dns writes it"


OVH = ("auth_entrypoint", "auth_application_key", "auth_application_secret", "auth_consumer_key")


@pytest.mark.parametrize(
    ("provider", "options", "said"),
    [
        ("cloudflar", {}, 'there is no provider "cloudflar": did you mean "cloudflare"?'),
        ("ddns", {}, 'its provider "ddns" says yes to what a server refuses: use plugin = "rfc2136" instead'),
        ("cloudflare", {}, "cloudflare needs auth_token in options"),
        ("cloudflare", {"auth_username": "x", "zone_id": "x"}, "cloudflare needs auth_token in options"),
        ("cloudflare", {"api_token": "x"}, 'cloudflare has no option "api_token": did you mean "auth_token"?'),
        ("gandi", {"api_protocol": "rest"}, "gandi needs auth_token in options"),
        ("hetzner", {}, "hetzner needs auth_token in options"),
        ("hetzner", {"token": "x"}, 'hetzner has no option "token": did you mean "auth_token"?'),
        (
            "ovh",
            {"auth_entrypoint": "ovh-eu", "auth_application_key": "x", "auth_application_secret": "x"},
            (
                "ovh needs auth_entrypoint and auth_application_key and auth_application_secret and auth_consumer_key "
                "in options"
            ),
        ),
        (
            "ovh",
            dict.fromkeys(OVH, "s3cret"),
            "auth_entrypoint must be one of ovh-eu, ovh-ca, soyoustart-eu, soyoustart-ca, kimsufi-eu, kimsufi-ca",
        ),
        (
            "route53",
            {"auth_access_key": "x"},
            "route53 needs auth_access_key and auth_access_secret, or auth_username and auth_token in options",
        ),
        ("route53", {"access_key": "x"}, 'route53 has no option "access_key": did you mean "auth_access_key"?'),
        ("desec", {"auth_username": "x"}, "desec needs auth_token, or auth_username and auth_password in options"),
        (
            "namecheap",
            {"auth_token": "x", "auth_username": "x", "auth_sandbox": "yes"},
            "auth_sandbox must be one of true, false",
        ),
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


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("route53", {}),
        ("route53", {"zone_id": "Z1"}),
        ("route53", {"auth_access_key": "x", "auth_access_secret": "y"}),
        ("oci", {}),
        ("desec", {"auth_username": "x", "auth_password": "y"}),
        ("ovh", dict.fromkeys(OVH, "ovh-eu")),
        ("zonomi", {"auth_token": "x"}),
    ],
)
def test_what_is_enough_is_taken(provider: str, options: dict[str, str]) -> None:
    solver(provider, **options)


def test_every_provider_can_be_configured_with_what_the_list_says_that_it_needs() -> None:
    for name, each in read_providers().items():
        for way in each.needed:
            solver(name, **{option: each.choices.get(option, ["x"])[0] for option in way})


class Watched(SolverContext):
    """A context that notes what a program is given, and may run it by another Python."""

    calls: ClassVar[list[object]] = []
    wishes: ClassVar[list[dict[str, Any]]] = []
    python: ClassVar[str] = sys.executable

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", **options: Any) -> bytes:
        self.calls.append((argv, options.get("environment")))
        self.wishes.append(json.loads(stdin))
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


def test_the_process_is_told_its_own_secrets_and_the_defaults_of_the_library_s_program() -> None:
    class Silent(Watched):
        def run(self, argv: Sequence[str], *, stdin: bytes = b"", **options: Any) -> bytes:
            self.wishes[:] = [json.loads(stdin)]
            assert options == {"timeout": 100.0}
            return b"{}"

    context = Silent(rooted=Path, now=utc_now)
    made = solver("namecheap", auth_token="token-of-mine", auth_username="me", auth_sandbox="true")
    made.clean_up_all([RECORD], context)
    assert context.wishes == [
        {
            "provider": "namecheap",
            "options": {
                "auth_client_ip": "127.0.0.1",
                "auth_token": "token-of-mine",
                "auth_username": "me",
                "auth_sandbox": True,
            },
            "ttl": 60,
            "deed": "delete",
            "records": [[RECORD.name, ONE]],
        }
    ]


def test_the_extra_may_be_missing() -> None:
    class Bare(Watched):
        python = sys._base_executable  # the one that the virtual environment is made of

    assert failure(solver("powerdns", **POWERDNS), Bare(rooted=Path, now=utc_now)) == (
        "The library dns-lexicon isn't installed beside the agent.",
        "the DNS solver lexicon, provider powerdns",
        'Install it: pip install "chainwright[lexicon]"; then: chainwright renew',
    )


def test_a_library_that_takes_too_long_is_ended(context: SolverContext) -> None:
    made = LexiconSolver.model_validate({"provider": "powerdns", "options": POWERDNS, "seconds": 0.01})
    assert failure(made, context) == (
        "dns-lexicon did not come to an end with _acme-challenge.a.test: it took longer than 0.01 s.",
        "the DNS solver lexicon, provider powerdns",
        "Look whether this machine reaches the service; seconds in the table says how long it may take.",
    )


def test_the_plugin_is_a_good_one() -> None:
    check_plugin("lexicon", settings={"dns": {"lexicon": {"provider": "powerdns", "options": POWERDNS}}}, acts=False)
