"""The CAs of the tests are fetched beside the system: its own lists of sources are read, and nothing of it is changed."""

import shutil

import pytest
from checkout import ORIGINAL, Checkout

APT_GET = """#!/bin/sh
echo "$*" >>"${0%/*}/apt.log"
case $* in
*--print-uris*)
    for site in http://other.invalid http://mirror.invalid/debian http://mirror.invalid/debian; do
        echo "'$site/dists/bookworm/InRelease' some_file 0 "
        echo "'$site/dists/bookworm/main/binary-amd64/Packages.xz' some_file 0 "
    done ;;
*update) cat sources.list >>"${0%/*}/sources.log"
    grep -q "${SITE_THAT_HAS_IT-mirror}" sources.list || { echo "E: there is no such suite"; exit 100; } ;;
*download*) for package; do :; done && touch "${package}_2.10_amd64.deb" ;;
esac
"""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3/usr/bin" && echo "$2" >"$3/usr/bin/${2%%_*}"
"""
PACKAGES = {"pebble_sid": "sid", "pebble_bookworm": "bookworm", "caddy_sid": "sid", "acme_sh_sid": "sid"}
"""What is unpacked below .test/, and the suite that it is of."""


@pytest.fixture
def cas(checkout: Checkout) -> Checkout:
    """A checkout with the real script, on a machine whose apt finds the suite at its second site."""
    shutil.copy(ORIGINAL / "packaging/test-cas.sh", checkout.path / "packaging")
    checkout.program("apt-get", APT_GET)
    checkout.program("dpkg-deb", DPKG_DEB)
    (checkout.path / "script").write_text(
        f'#!/bin/sh\nset -eu\nhere="{checkout.path}"\n. "$here/packaging/setup.sh"\n'
        '. "$here/packaging/test-cas.sh"\nensure_test_cas "${1-die}"\necho done\n'
    )
    (checkout.path / "script").chmod(0o755)
    return checkout


def times_fetched(cas: Checkout) -> int:
    return (cas.programs / "apt.log").read_text().count(" download pebble")


def test_they_are_fetched_once_and_stand_below_the_checkout(cas: Checkout) -> None:
    code, output, errors = cas.call("script")
    assert (code, output) == (0, "done\n")
    assert errors == "".join(
        f"chainwright: Setting up {cas.path}/.test/{ca} (once; a minute or less)\n"
        for ca in [*PACKAGES, "acme2certifier"]
    )
    for program in ["pebble_sid/usr/bin/pebble", "caddy_sid/usr/bin/caddy", "acme_sh_sid/usr/bin/acme.sh"]:
        assert (cas.path / ".test" / program).exists()
    assert sorted(each.name for each in (cas.path / ".test/pebble_sid").iterdir()) == ["made-from", "usr"]
    assert cas.call("script") == (0, "done\n", "")
    assert times_fetched(cas) == 2


def test_the_suite_is_asked_for_where_the_system_s_own_packages_come_from(cas: Checkout) -> None:
    cas.call("script")
    signed = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert (cas.programs / "sources.log").read_text().splitlines() == [
        f"{signed} http://{site} {suite} main"
        for suite in PACKAGES.values()
        for site in ("other.invalid", "mirror.invalid/debian")
    ]


def test_nothing_of_the_system_s_apt_is_written(cas: Checkout) -> None:
    cas.call("script")
    lines = (cas.programs / "apt.log").read_text().splitlines()
    for line in lines:
        if line == "--print-uris update":
            continue
        place = cas.path / ".test" / next(each for each in PACKAGES if f"/{each}/" in line) / "apt"
        assert f"Dir::State::lists={place}/lists" in line
        assert f"Dir::Cache={place}/cache" in line
        assert f"Dir::Etc::sourcelist={place}/sources.list -o Dir::Etc::sourceparts=/dev/null" in line


def test_the_script_names_no_host() -> None:
    assert "://" not in (ORIGINAL / "packaging/test-cas.sh").read_text()


def test_signatures_are_checked() -> None:
    text = (ORIGINAL / "packaging/test-cas.sh").read_text().lower()
    assert not [
        word for word in ["trusted=yes", "allow-unauthenticated", "allowinsecure", "check-valid"] if word in text
    ]


@pytest.mark.parametrize(("tell", "code", "output"), [("die", 1, ""), ("say", 0, "done\n")])
def test_what_apt_says_is_shown_when_no_site_has_it(
    cas: Checkout, monkeypatch: pytest.MonkeyPatch, tell: str, code: int, output: str
) -> None:
    monkeypatch.setenv("SITE_THAT_HAS_IT", "nowhere")
    found, printed, errors = cas.call("script", tell)
    assert (found, printed) == (code, output)
    assert errors.splitlines()[-2:] == [
        "E: there is no such suite",
        "chainwright: A CA that tests ask for chains could not be set up, see above.",
    ]


def test_a_half_made_one_is_made_again(cas: Checkout) -> None:
    assert cas.call("script", UV_FAILS="--require-hashes")[0] == 1
    (cas.programs / "uv.log.busy").rmdir()
    (cas.path / ".test/pebble_sid/made-from").unlink()
    assert cas.call("script")[0] == 0
    assert times_fetched(cas) == 3


def test_acme2certifier_is_installed_from_its_lock_into_an_environment_of_its_own(cas: Checkout) -> None:
    cas.call("script")
    assert cas.log.read_text().splitlines()[-1] == (
        f"pip install --quiet --python {cas.path}/.test/acme2certifier/bin/python "
        f"--require-hashes --only-binary :all: -r {cas.path}/packaging/acme2certifier.lock"
    )
