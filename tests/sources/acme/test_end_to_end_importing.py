"""What other ACME clients have got of a real CA goes on being served, and is renewed here by the same account."""

import json
import shutil

import pytest

from agent.pki.account_key import load_account_key, thumbprint
from support.appliances.carried import command, tree
from support.appliances.certified import Certified
from support.appliances.proxied import SITES
from support.cas.pebble import Options, Pebble
from support.clients.other_acme import GETTING

SITE, OTHER = SITES[:2]
KEYS = {
    "acme.sh": "ca/*/*/account.key",
    "caddy": "acme/*/users/*/*.key",
    "certbot": "accounts/*/*/*/private_key.json",
    "dehydrated": "accounts/*/account_key.pem",
    "lego": "accounts/*/*/keys/*",
}


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """A CA that believes everybody, as these clients' own servers can't have the port that it looks at."""
    made = Pebble(tmp_path_factory.mktemp("pebble"), Options(always_valid=True))
    yield made
    made.close()


@pytest.fixture(scope="module", params=sorted(GETTING))
def left(request, ca, tmp_path_factory):
    """A client, and the directory in which it has got a chain for a site and another name; Caddy has a name in each."""
    directory = tmp_path_factory.mktemp(request.param)
    GETTING[request.param](ca, directory, SITE, OTHER)
    return request.param, directory


@pytest.fixture
def migrated(left, ca):
    """An appliance with one site, and what a client has left."""
    client, directory = left
    with Certified.make(ca=ca, acme={"preflight": False}) as appliance:
        appliance.configure()
        appliance.layout.trust.mkdir()
        (appliance.layout.trust / "ca.pem").write_text(ca.roots()[0])
        shutil.copytree(directory, appliance.root / client, symlinks=True)
        ca.mark()
        yield appliance, client, appliance.root / client


def imported(appliance, *arguments):
    return command(appliance.root, "import", *arguments)


def test_what_serves_goes_on_and_is_renewed_here_by_the_same_account(migrated, ca):
    appliance, client, directory = migrated
    looked = json.loads(imported(appliance, client, directory, "--dry-run", "--json").stdout)
    before = tree(appliance.root)
    assert json.loads(imported(appliance, client, directory, "--dry-run", "--json").stdout) == looked
    assert tree(appliance.root) == before
    made = imported(appliance, client, directory)
    assert made.returncode == 0, made.stderr
    assert f"reverse_proxy/{SITE}: acme" in made.stderr
    assert ("This stops its web server too." in made.stderr) is (client == "caddy")
    assert ca.requests("/order-plz") == []
    assert appliance.sources() == {SITE: "acme"}
    appliance.assert_certified(SITE)
    assert tree(directory).items() <= before.items()
    (account,) = looked["accounts"]
    assert f"account at 127.0.0.1: {account['url']}, taken over\n" in made.stderr
    found = appliance.chain().leaf.serial_number.bit_length() % 8 != 0  # see support.fakes.orderer.replaceable
    ca.mark()
    appliance.renew()
    appliance.apply()
    assert len(ca.requests("/order-plz")) == (1 if found else 2), "once more where Pebble fails at what is replaced"
    assert ca.requests("/sign-me-up") == [], "the account was known"
    assert ca.requests("/draft-ietf-acme-ari-03/renewalInfo/") != [], "the CA says when"
    if found:
        ca.wait_until_replaced()
    with appliance.store() as store:
        (key,) = directory.glob(KEYS[client])
        assert store.account_keys.present().thumbprint == thumbprint(load_account_key(key.read_bytes()))
        assert store.memories.read("acme", f"account {ca.directory_url}")["url"] == account["url"]
