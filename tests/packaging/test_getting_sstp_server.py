"""sstp-server is built once, beside the environment of the checkout, from what has a hash, and has to carry frames."""

import shutil

import pytest
from checkout import ORIGINAL, Checkout

SCRIPT = '. "$here/packaging/sstp-server.sh"\nensure_sstp_server "${1-die}"\necho done\n'
UV = """#!/bin/sh
echo "CFLAGS=${CFLAGS-} $*" >>"$UV_LOG"
case $* in
venv*)
    for venv; do :; done
    mkdir -p "$venv/bin"
    cp "${0%/*}/toy-python" "$venv/bin/python" ;;
esac
"""
PYTHON = """#!/bin/sh
echo "python $*" >>"$UV_LOG"
case $1 in */repair_sstpd.py) exit "${REPAIR_ENDS-0}" ;; *) printf '%s' "${WRONG-}" ;; esac
"""


@pytest.fixture
def building(checkout: Checkout) -> Checkout:
    """A checkout with the real script; programs of Python only say how they are called."""
    shutil.copy(ORIGINAL / "packaging/sstp-server.sh", checkout.path / "packaging")
    (checkout.path / "plugins/sstp").mkdir(parents=True)
    for name in ("repair_sstpd.py", "try_sstpd.py"):
        shutil.copy(ORIGINAL / "plugins/sstp" / name, checkout.path / "plugins/sstp")
    checkout.program("python3", "#!/bin/sh\necho /usr/bin/python3.11\n")
    checkout.program("toy-python", PYTHON)
    checkout.program("uv", UV)
    return checkout


def test_it_is_built_once_from_what_has_a_hash_repaired_and_tried(building: Checkout) -> None:
    code, output, errors = building.shell(SCRIPT, CFLAGS="-O1")
    place, ours = f"{building.path}/.venv-sstp", f"{building.path}/plugins/sstp"
    assert (code, output, errors) == (0, "done\n", f"chainwright: Setting up {place} (once; a minute or less)\n")
    into = f"pip install --quiet --python {place}/bin/python --require-hashes"
    options = "--no-deps --no-build-isolation --no-cache-dir --no-binary sstp-server"
    assert building.log.read_text().splitlines() == [
        f"CFLAGS=-O1 venv --quiet --python /usr/bin/python3.11 -- {place}",
        f"CFLAGS=-O1 {into} --only-binary :all: -r {building.path}/packaging/sstp-server-build.lock",
        f"CFLAGS=-O1 -DPY_SSIZE_T_CLEAN {into} {options} -r {building.path}/packaging/sstp-server.lock",
        f"python {ours}/repair_sstpd.py",
        f"python {ours}/try_sstpd.py {ours}/repair_sstpd.py",
    ]
    assert building.shell(SCRIPT) == (0, "done\n", "")


@pytest.mark.parametrize("part", ["packaging/sstp-server.lock", "plugins/sstp/repair_sstpd.py"])
def test_it_is_built_again_when_what_it_was_built_from_changes(building: Checkout, part: str) -> None:
    building.shell(SCRIPT)
    with (building.path / part).open("a") as file:
        file.write("\n")
    building.shell(SCRIPT)
    assert building.times_made() == 2


def test_one_that_carries_no_frames_is_not_kept(building: Checkout) -> None:
    code, _, errors = building.shell(SCRIPT, WRONG="its codec changes the frames; build it again")
    assert code == 1
    assert errors.endswith(
        "chainwright: sstp-server carries no frames: its codec changes the frames; build it again.\n"
        "chainwright: sstp-server could not be set up, see above.\n"
    )
    assert not (building.path / ".venv-sstp/made-from").exists()
    assert building.shell(SCRIPT)[0] == 0


def test_one_that_can_not_be_repaired_is_not_kept(building: Checkout) -> None:
    code, _, errors = building.shell(SCRIPT, REPAIR_ENDS="1")
    assert (code, errors.splitlines()[-1]) == (1, "chainwright: sstp-server could not be set up, see above.")
    assert not (building.path / ".venv-sstp/made-from").exists()


def test_where_it_can_not_be_built_the_demo_goes_on_without_it(building: Checkout) -> None:
    building.program("uv", "#!/bin/sh\necho no network >&2\nexit 9\n")
    script = SCRIPT.replace("${1-die}", "${1-say}")
    code, output, errors = building.shell(script)
    assert (code, output) == (0, "done\n")
    assert errors.endswith("no network\nchainwright: sstp-server could not be set up, see above.\n")
    assert building.shell(SCRIPT)[0] == 1
