"""What other ACME clients have got of a real CA goes on being served, and is renewed here."""

import json
import shutil

import pytest

from agent.model.records import UPLOADED
from support.appliances.carried import command, tree
from support.appliances.certified import Certified
from support.appliances.deployed import served
from support.appliances.proxied import SITES
from support.cas.pebble import Pebble
from support.clients.other_acme import GETTING

SITE, OTHER = SITES[:2]


@pytest.fixture
def ca(pebble_with) -> Pebble:
    """A CA that believes everybody, as these clients' own servers can't have the port that it looks at."""
    return pebble_with(always_valid=True)


@pytest.fixture(params=sorted(GETTING))
def migrated(request, ca):
    """An appliance with one site, and the directory of another client that has got a chain for it and another name."""
    with Certified.make(ca=ca, acme={"preflight": False}) as appliance:
        appliance.configure()
        appliance.layout.trust.mkdir()
        (appliance.layout.trust / "ca.pem").write_text(ca.roots()[0])
        directory = appliance.root / request.param
        directory.mkdir()
        GETTING[request.param](ca, directory, SITE, OTHER)
        ca.mark()
        yield appliance, request.param, directory


def imported(appliance, *arguments):
    return command(appliance.root, "import", *arguments)


def test_what_serves_goes_on_and_is_renewed_here(migrated, ca):
    appliance, client, directory = migrated
    before = tree(directory)
    made = imported(appliance, client, directory)
    assert made.returncode == 0, made.stderr
    assert f"reverse_proxy/{SITE}: uploaded, covers {SITE}" in made.stderr
    assert f"Turn the timer of {client} off" in made.stderr
    assert ca.requests("/order-plz") == []
    assert appliance.sources() == {SITE: UPLOADED}
    appliance.assert_certified(SITE)
    assert tree(directory) == before
    again = imported(appliance, client, directory)
    assert "; it is here already" in again.stderr
    appliance.renew()
    appliance.apply()
    assert len(ca.requests("/order-plz")) == 1
    with appliance.store() as store:
        assert {each.source for each in store.chains.records()} >= {UPLOADED, "acme"}


def test_a_look_says_what_would_serve_and_changes_nothing(migrated, ca):
    appliance, client, directory = migrated
    appliance.apply()
    serving = served(appliance.port, SITE)
    made = imported(appliance, client, directory, "--dry-run", "--json")
    assert made.returncode == 0, made.stderr
    (row,) = json.loads(made.stdout)["lineages"]
    assert (row["names"], row["problem"]) == ([SITE, OTHER], None)
    assert [each["slot"] for each in row["switches"]] == [SITE]
    assert appliance.apply().performed == ()
    assert served(appliance.port, SITE) == serving


def test_what_can_not_be_taken_is_told_and_the_others_are(migrated):
    appliance, client, directory = migrated
    (certificate,) = {
        "certbot": directory.glob("live/*/fullchain.pem"),
        "dehydrated": directory.glob("certs/*/fullchain.pem"),
    }.get(client, (each for each in directory.glob("certificates/*.crt") if "issuer" not in each.name))
    place = certificate.parent if certificate.name == "fullchain.pem" else None
    broken = (place.with_name("broken") if place else certificate.parent) / (
        certificate.name if place else "broken.crt"
    )
    broken.parent.mkdir(exist_ok=True)
    shutil.copy(certificate, broken)
    made = imported(appliance, client, directory, "--dry-run")
    assert made.returncode == 3
    assert "broken: not taken: " in made.stderr
    assert "The file can't be read: no such file or directory." in made.stderr
    assert f"reverse_proxy/{SITE}: uploaded, covers {SITE}" in made.stderr


def test_a_directory_of_something_else(tunnel, tmp_path):
    (tmp_path / "empty").mkdir()
    made = imported(tunnel, "certbot", tmp_path / "empty")
    assert made.returncode == 1
    assert made.stderr == (
        f"Error: {tmp_path}/empty: There is no chain of certbot in this directory: nothing is in live/.\n"
        "Name the directory in which it keeps its files: chainwright import certbot /etc/letsencrypt\n"
    )
