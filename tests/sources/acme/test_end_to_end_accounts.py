"""An account that the CA refuses: what is said, and that the command that is named mends it."""

from __future__ import annotations

from pathlib import Path

from agent.model.finding import SubjectKind
from agent.sources.acme.account import Accounts, AccountWish
from agent.sources.acme.client import AcmeClient
from support.appliances.certified import Certified
from support.appliances.proxied import SITES
from support.cas.pebble import Pebble
from support.fakes.source_context import FakeSourceContext, utc_now

SITE = SITES[0]
REKEY = "chainwright acme rekey"


def deactivate(appliance: Certified, ca: Pebble, directory: Path) -> str:
    """Deactivate the appliance's account at the CA without its knowledge; return its URL."""
    with appliance.store() as store:
        context = FakeSourceContext(directory, key=store.account_keys.load())
    client = AcmeClient(ca.directory_url, context.key, trust=ca.trust_file, now=utc_now)
    url = Accounts(context).ensure(client, AccountWish(agree_terms=True)).url
    Accounts(context).deactivate(client)
    client.close()
    return url


def findings(appliance: Certified) -> list[str]:
    with appliance.store() as store:
        return [each.problem.code for each in store.conditions.all() if each.kind is SubjectKind.CA]


def test_an_account_that_the_ca_has_deactivated_is_replaced_by_the_command_that_is_named(pebble_with, tmp_path):
    ca = pebble_with()
    with Certified.make(ca=ca) as appliance:
        appliance.configure()
        appliance.apply()
        before, old = appliance.certified(), deactivate(appliance, ca, tmp_path)
        appliance.terminal.run("reissue", SITE)
        [failed] = appliance.orders_failed()
        assert failed.problem["code"] == "source.account_refused"
        assert REKEY in failed.problem["fix"]
        assert appliance.certified() == before, "what serves is left alone"
        assert findings(appliance) == ["source.account_refused"]

        done = appliance.terminal.run(*REKEY.split()[1:])
        assert done.returncode == 0, done.stderr
        assert "The account can't be used any more, so it is given up." in done.stdout + done.stderr
        assert appliance.orders_failed() == []
        assert findings(appliance) == []
        assert appliance.certified() not in {"", before}
        assert appliance.terminal.json("acme", "account")["account"]["url"] != old


def test_an_account_that_was_deactivated_by_command_is_replaced_likewise(pebble_with):
    ca = pebble_with()
    with Certified.make(ca=ca) as appliance:
        appliance.configure()
        appliance.apply()
        before = appliance.certified()
        said = appliance.terminal.run("acme", "deactivate", "--yes")
        assert REKEY in said.stdout + said.stderr
        appliance.terminal.run("reissue", SITE)
        assert appliance.orders_failed()[0].problem["code"] == "source.account_refused"
        assert appliance.terminal.run(*REKEY.split()[1:]).returncode == 0
        assert appliance.certified() not in {"", before}
