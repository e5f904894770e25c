"""sstp-server is built once, beside the environment of the checkout, from what has a hash."""

import shutil

import pytest
from checkout import ORIGINAL, Checkout

SCRIPT = '. "$here/packaging/sstp-server.sh"\nensure_sstp_server "${1-die}"\necho done\n'


@pytest.fixture
def building(checkout: Checkout) -> Checkout:
    """A checkout with the real script; Python is of the version that it is told."""
    shutil.copy(ORIGINAL / "packaging/sstp-server.sh", checkout.path / "packaging")
    checkout.program("python3.11", "#!/bin/sh\necho /usr/bin/python3.11\n")
    checkout.program(
        "uv", '#!/bin/sh\necho "$*" >>"$UV_LOG"\ncase $* in venv*) for venv; do :; done; mkdir -p "$venv" ;; esac\n'
    )
    return checkout


def test_it_is_built_once_and_only_from_what_has_a_hash(building: Checkout) -> None:
    code, output, errors = building.shell(SCRIPT)
    place = f"{building.path}/.venv-sstp"
    assert (code, output, errors) == (0, "done\n", f"chainwright: Setting up {place} (once; a minute or less)\n")
    into = f"pip install --quiet --python {place}/bin/python --require-hashes"
    assert building.log.read_text().splitlines() == [
        f"venv --quiet --python /usr/bin/python3.11 -- {place}",
        f"{into} --only-binary :all: -r {building.path}/packaging/sstp-server-build.lock",
        f"{into} --no-deps --no-build-isolation --no-binary sstp-server -r {building.path}/packaging/sstp-server.lock",
    ]
    assert building.shell(SCRIPT) == (0, "done\n", "")


def test_it_is_built_again_when_what_it_was_built_from_changes(building: Checkout) -> None:
    building.shell(SCRIPT)
    with (building.path / "packaging/sstp-server.lock").open("a") as file:
        file.write("\n")
    building.shell(SCRIPT)
    assert building.times_made() == 2


def test_where_it_can_not_be_built_the_demo_goes_on_without_it(building: Checkout) -> None:
    building.program("uv", "#!/bin/sh\necho no network >&2\nexit 9\n")
    script = SCRIPT.replace("${1-die}", "${1-say}")
    code, output, errors = building.shell(script)
    assert (code, output) == (0, "done\n")
    assert errors.endswith("no network\nchainwright: sstp-server could not be set up, see above.\n")
    assert building.shell(SCRIPT)[0] == 1
