from pathlib import Path

import pytest
from checkout import ORIGINAL, Checkout

APT_GET = """#!/bin/sh
echo "$*" >>"${0%/*}/apt.log"
case $* in
*install*) [ -e "${0%/*}/updated" ] || { echo "no candidate"; exit 100; } ;;
*update*) touch "${0%/*}/updated" ;;
esac
"""
POLICY = "#!/bin/sh\n# Made by chainwright while it installs packages\nexit 101\n"


@pytest.fixture
def sbin(tmp_path: Path) -> Path:
    (tmp_path / "sbin").mkdir()
    return tmp_path / "sbin"


def test_services_may_not_start_while_packages_are_installed(checkout: Checkout, sbin: Path) -> None:
    _, output, _ = checkout.shell(f"without_service_start '{sbin}' sh -c '\"{sbin}/policy-rc.d\"; echo policy $?'")
    assert (output, list(sbin.iterdir())) == ("policy 101\n", [])


@pytest.mark.parametrize(
    "end", ["exit 3", "kill -INT $PPID; exit 3", "kill -TERM $PPID; exit 3", "kill -HUP $PPID; exit 3"]
)
def test_services_may_start_again_after_a_failure_or_an_interruption(checkout: Checkout, sbin: Path, end: str) -> None:
    code, _, _ = checkout.shell(f"without_service_start '{sbin}' sh -c '{end}'")
    assert (code != 0, list(sbin.iterdir())) == (True, [])


def test_a_policy_of_the_administrator_stays_as_it_is(checkout: Checkout, sbin: Path) -> None:
    (sbin / "policy-rc.d").write_text("#!/bin/sh\nexit 0\n")
    _, output, _ = checkout.shell(f"without_service_start '{sbin}' cat '{sbin}/policy-rc.d'")
    assert output == (sbin / "policy-rc.d").read_text() == "#!/bin/sh\nexit 0\n"


def test_a_policy_that_a_killed_run_left_behind_is_removed(checkout: Checkout, sbin: Path) -> None:
    (sbin / "policy-rc.d").write_text(POLICY)
    checkout.shell(f"without_service_start '{sbin}' true")
    assert list(sbin.iterdir()) == []


def test_the_package_lists_are_fetched_only_when_a_package_is_not_found(checkout: Checkout) -> None:
    checkout.program("apt-get", APT_GET)
    assert checkout.shell("apt_get_install some-package; apt_get_install another")[0] == 0
    options = "-qq -o DPkg::Lock::Timeout=600"
    install = f"{options} install --yes --no-install-recommends"
    assert (checkout.programs / "apt.log").read_text().splitlines() == [
        f"{install} some-package",
        f"{options} update",
        f"{install} some-package",
        f"{install} another",
    ]


def test_what_apt_get_says_is_shown_when_it_fails(checkout: Checkout) -> None:
    checkout.program("apt-get", APT_GET.replace("touch", "true"))
    assert checkout.shell("apt_get_install some-package")[:2] == (1, "no candidate\n")


def test_only_packages_whose_command_is_not_there_are_missing(checkout: Checkout) -> None:
    (checkout.path / "list").write_text(
        "# a comment\n\nhas-sh sh\nhas-true /bin/true\nabsent no-such-command\nalso /no/such\n"
    )
    assert checkout.shell('missing_packages "$here/list"')[1] == "absent\nalso\n"


@pytest.mark.parametrize("name", ["services.list", "test-packages.list"])
def test_a_list_has_a_package_and_a_command_on_each_line(name: str) -> None:
    lines = (ORIGINAL / "packaging" / name).read_text().splitlines()
    assert {len(line.split()) for line in lines if line and not line.startswith("#")} == {2}
