"""What became of what a command was for, and its exit code, where something else is not well."""

import json
from datetime import UTC, datetime, timedelta

from agent.model.aim import Aim, AimOutcome
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from agent.pki.encoding import Part, encode
from support.appliances.deployed import served
from support.clients.terminal import Terminal

NAME = "t.example.test"


def typed(appliance, *arguments):
    return Terminal(appliance.root).run(*arguments)


def bought(appliance, days=300):
    now = datetime.now(UTC)
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    chain = root.issue([NAME], KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=days))
    path = appliance.root / "shop.pem"
    path.write_bytes(encode(chain, [Part.KEY, Part.FULLCHAIN, Part.ROOT]))
    return chain, str(path)


def need_what_nobody_delivers(appliance):
    """Have a second module that has no chain: the appliance is degraded."""
    settings = appliance.layout.settings
    more = '[modules.second]\nplugin = "tunnel"\nport = 9\ndomain = "s.example.test"\nsources = ["uploaded"]\n'
    settings.write_text(settings.read_text() + more)


def test_an_upload_that_serves_is_done_though_another_module_is_not_well(tunnel):
    need_what_nobody_delivers(tunnel)
    assert typed(tunnel, "apply").returncode == 3
    chain, file = bought(tunnel)
    done = typed(tunnel, "upload", file)
    assert done.returncode == 0, done.stderr
    assert served(tunnel.port, NAME) == chain.id
    lines = done.stderr.splitlines()
    assert f"Stored as {chain.id[:12]}: {NAME}, until {chain.usable_until:%Y-%m-%d}." in lines
    after = lines[lines.index("In service as asked: tunnel/default.") :]
    assert after[:3] == [
        "In service as asked: tunnel/default.",
        "That is done; what else is not well:",
        "s.example.test: No chain yet: no uploaded chain covers s.example.test.",
    ]
    assert typed(tunnel, "status").returncode == 3


def test_a_deletion_and_a_reissue_are_about_themselves_too(tunnel):
    need_what_nobody_delivers(tunnel)
    chain, file = bought(tunnel)
    typed(tunnel, "upload", file)
    done = typed(tunnel, "delete", chain.id, "--yes", "--json")
    row = json.loads(done.stdout)
    assert (done.returncode, row["deleted"], row["outcome"]["reached"]) == (0, chain.id, ["tunnel/default"])
    assert row["status"]["degraded"]
    done = typed(tunnel, "reissue", NAME)
    assert done.returncode == 0, done.stderr
    assert "In service as asked: tunnel/default." in done.stderr


def test_what_the_service_refuses_is_not_done(tunnel):
    chain, file = bought(tunnel)
    tunnel.control("toyd").write_text("ignore")
    done = typed(tunnel, "upload", file)
    assert done.returncode == 3
    (missed,) = [line for line in done.stderr.splitlines() if line.startswith("Not in service as asked: ")]
    assert missed.startswith(
        f"Not in service as asked: tunnel/default: 127.0.0.1:{tunnel.port} (t.example.test) serves "
    )
    assert missed.endswith(f" instead of {chain.id[:12]}.")


def test_aims_and_outcomes_are_stored_as_they_are():
    aim = Aim((("tunnel", "default"),), "ab", ("cd",))
    assert Aim.read(aim.text()) == aim
    outcome = AimOutcome(("tunnel/default",), ("mail/imap: it is away.",), ("x: y",))
    assert AimOutcome.read(outcome.text()) == outcome
    assert AimOutcome.read(None) is None


def test_renewing_what_a_service_did_not_take_is_done_when_that_same_chain_serves(tunnel):
    before = served(tunnel.port, NAME)
    tunnel.control("toyd").write_text("ignore")
    typed(tunnel, "reissue", NAME)
    assert served(tunnel.port, NAME) == before
    again = typed(tunnel, "renew")
    assert again.returncode == 3
    wrong = f"127.0.0.1:{tunnel.port} ({NAME}) serves the chain {before[:12]} instead of "
    assert f"Not in service as asked: tunnel/default: {wrong}" in again.stderr
    tunnel.control("toyd").unlink()
    done = typed(tunnel, "renew")
    assert served(tunnel.port, NAME) != before
    assert done.returncode == 0, done.stderr
    assert "In service as asked: tunnel/default." in done.stderr.splitlines()
    assert "Not in service" not in done.stderr


def test_reissuing_what_a_service_did_not_take_is_not_done_by_the_chain_that_serves(tunnel):
    tunnel.control("toyd").write_text("ignore")
    typed(tunnel, "reissue", NAME)
    before = served(tunnel.port, NAME)
    done = typed(tunnel, "reissue", NAME)
    assert served(tunnel.port, NAME) == before
    assert done.returncode == 3
    assert f"Not in service as asked: tunnel/default: 127.0.0.1:{tunnel.port} ({NAME}) serves the chain " in done.stderr
