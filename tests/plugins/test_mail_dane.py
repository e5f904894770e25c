"""Mail says by which TLSA records its chains are judged, and `chainwright mail tlsa` prints them."""

from __future__ import annotations

import json

import dns.zonefile
import pytest

from agent.cli.program import run
from chainwright import HostFacts
from plugins.mail.module import Mail
from support.appliances.deployed import Deployed

HOST = HostFacts(name="gw", addresses=("127.0.0.1",))
OWNER = "_25._tcp.mail.example.com"


def owners(**settings) -> dict[str, tuple[str, ...]]:
    return {need.slot: need.tlsa for need in Mail(hostname="mail.example.com", **settings).declare_needs(HOST)}


def test_each_public_name_with_smtp_has_records():
    domains = ["mail.example.org", "*.example.net"]
    assert owners(domains=domains) == {
        "default": (OWNER,),
        "mail.example.org": ("_25._tcp.mail.example.org",),
        "_wildcard.example.net": (),
    }
    assert owners(smtp=[]) == {"default": ()}
    assert owners(second_key_type="rsa-2048") == {"default": (OWNER,), "default.rsa": (OWNER,)}
    (local,) = Mail(hostname="mail.lan").declare_needs(HOST)
    assert local.tlsa == ()


@pytest.fixture
def mail(appliance: Deployed) -> Deployed:
    """Mail that keeps its key; DNS isn't asked, and no daemon runs."""
    smtp = "".join(f"{each} = []\n" for each in ("submission", "smtps", "imap", "imaps"))
    appliance.settings(
        f'hostname = "gw"\naddresses = ["127.0.0.1"]\n[dane]\ncheck = false\n'
        f'[modules.mail]\nhostname = "mail.example.com"\nkey = "keep"\nsmtp = "127.0.0.1:1"\n{smtp}'
    )
    appliance.apply()
    return appliance


def printed(appliance: Deployed, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert run("chainwright", [*command, "--root", str(appliance.root)]) == 0
    return capsys.readouterr().out


def test_the_records_are_printed_as_lines_of_a_zone_s_file(mail, capsys):
    text = printed(mail, capsys, "mail", "tlsa")
    zone = dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=300)
    assert [str(each.name) for each in zone] == [f"{OWNER}."]
    lines = text.splitlines()
    assert [line for line in lines if line.startswith(";")] == [
        "; mail/default, present key, DNS was not asked yet",
        "; mail/default, next key, DNS was not asked yet",
    ]
    shown = json.loads(printed(mail, capsys, "mail", "tlsa", "--json"))["records"]
    assert [f"{each['owner']}. IN TLSA {each['record']}" for each in shown] == lines[1::2]
    assert [(each["key"], each["published"]) for each in shown] == [("present", None), ("next", None)]
    (chain,) = json.loads(printed(mail, capsys, "show", "mail.example.com", "--json"))["chains"]
    assert chain["tlsa"] == shown
    assert f"TLSA     {OWNER} {shown[0]['record']} (present key, DNS was not asked yet)" in printed(
        mail, capsys, "show", "mail.example.com"
    )


def test_a_module_without_records_says_so(mail, capsys):
    assert printed(mail, capsys, "mail", "tlsa", "--module", "other") == (
        "; There is no TLSA record to publish: other serves no public name with SMTP yet.\n"
    )
