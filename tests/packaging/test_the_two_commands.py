import os
import re
from pathlib import Path

import pytest
from checkout import Checkout

ABSENT = "some-package no-such-command-anywhere\n"


def as_somebody(checkout: Checkout) -> None:
    checkout.program("id", "#!/bin/sh\necho 1000\n")


@pytest.mark.parametrize("options", [["--help"], ["-h"], ["--with-services", "--help"], ["--port", "9443", "-h"]])
def test_help_explains_both_uses_and_sets_nothing_up(checkout: Checkout, options: list[str]) -> None:
    (checkout.path / "packaging/services.list").write_text(ABSENT)
    code, output, errors = checkout.call("run", *options)
    assert (code, errors, checkout.times_made()) == (0, "", 0)
    assert output.startswith("Usage: ./run [--port N] [--with-services]\n       ./run ARGS...\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "demo --root {root}"),
        (["--port", "9443"], "demo --root {root} --port 9443"),
        (["--port=9443", "--with-services"], "demo --root {root} --port=9443"),
        (["--with-services"], "demo --root {root}"),
        (["root", "download"], "--root {root} root download"),
        (["status", "a b", ""], "--root {root} status a b "),
        (["--version"], "--root {root} --version"),
        (["plan", "--", "--root"], "--root {root} plan -- --root"),
        (["--root", "/elsewhere", "plan"], "--root /elsewhere plan"),
        (["plan", "--root=/elsewhere"], "plan --root=/elsewhere"),
    ],
)
def test_run_passes_its_arguments_to_chainwright_on_the_state_under_var(
    checkout: Checkout, arguments: list[str], expected: str
) -> None:
    code, output, _ = checkout.call("run", *arguments)
    assert (code, output) == (0, "chainwright: " + expected.format(root=checkout.path / "var") + "\n")


def test_set_up_says_what_it_does_on_stderr_and_only_once(checkout: Checkout) -> None:
    _, _, first = checkout.call("run", "status")
    _, _, second = checkout.call("run", "status")
    assert first == f"chainwright: Setting up {checkout.path}/.venv (once; a minute or less)\n"
    assert (second, checkout.times_made()) == ("", 1)


def test_the_environment_is_installed_from_the_lock_and_then_from_the_checkout_without_dependencies(
    checkout: Checkout,
) -> None:
    checkout.call("run", "status")
    into = f"pip install --quiet --python {checkout.path}/.venv/bin/python"
    assert checkout.log.read_text().splitlines()[1:] == [
        f"{into} --require-hashes --only-binary :all: -r {checkout.path}/requirements.lock",
        f"{into} --no-deps --no-build-isolation --editable {checkout.path}",
    ]


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_the_environment_is_made_again_when_what_it_was_made_from_changes(checkout: Checkout, changed: str) -> None:
    checkout.call("run", "status")
    with (checkout.path / changed).open("a") as file:
        file.write("\n")
    checkout.call("run", "status")
    assert checkout.times_made() == 2


def test_the_environment_is_made_again_when_the_checkout_has_been_moved(checkout: Checkout, tmp_path: Path) -> None:
    checkout.call("run", "status")
    moved = Checkout(checkout.path.rename(tmp_path / "moved"), checkout.programs)
    moved.call("run", "status")
    assert moved.times_made() == 2


@pytest.mark.parametrize("step", ["--require-hashes", "--editable"])
def test_a_half_made_environment_is_made_again(checkout: Checkout, step: str) -> None:
    code, output, errors = checkout.call("run", "status", UV_FAILS=step)
    assert (code, output) == (1, "")
    assert errors.endswith(
        "no network\nchainwright: The installation failed, see above. "
        "Python packages come from the network this once; then run this again.\n"
    )
    (checkout.programs / "uv.log.busy").rmdir()
    assert checkout.call("run", "status")[0] == 0
    assert checkout.times_made() == 2


def test_a_checkout_of_another_user_is_named_before_anything_is_touched(checkout: Checkout) -> None:
    checkout.call("run", "status")
    with (checkout.path / "pyproject.toml").open("a") as file:
        file.write("\n")
    # Root may write everywhere, so what is asked about is replaced, not taken away.
    script = (checkout.path / "packaging/setup.sh").read_text()
    (checkout.path / "packaging/setup.sh").write_text(script.replace('[ -w "$place" ]', "false"))
    code, _, errors = checkout.call("run", "status")
    assert (code, checkout.times_made(), errors) == (
        1,
        1,
        (
            f"chainwright: {checkout.path} belongs to another user, and it has to be set up anew. "
            "Use a copy of your own: git clone\n"
        ),
    )


def test_the_demo_proposes_commands_as_they_were_typed(checkout: Checkout) -> None:
    checkout.call("run", "status")
    (checkout.path / ".venv/bin/chainwright").write_text('#!/bin/sh\necho "$CHAINWRIGHT_CALLED_AS"\n')
    assert checkout.call("run")[1] == f"{checkout.path}/run\n"


def test_runs_at_the_same_time_make_one_environment(checkout: Checkout) -> None:
    processes = [checkout.start("run", "status") for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert outputs == [f"chainwright: --root {checkout.path}/var status\n"] * 4
    assert checkout.times_made() == 1


def test_the_tests_add_to_the_environment_that_run_has_made(checkout: Checkout) -> None:
    checkout.call("run", "status")
    _, _, errors = checkout.call("test")
    checkout.call("run", "status")
    assert errors == f"chainwright: Adding what requirements-test.lock has to {checkout.path}/.venv\n"
    assert checkout.times_made() == 1


def test_the_tests_run_all_checks_and_pytest_last(checkout: Checkout) -> None:
    code, output, _ = checkout.call("test", "-k", "one two")
    *checks, run = output.splitlines()
    assert (code, checks) == (0, ["ruff: check", "ruff: format --check", "mypy: "])
    assert re.fullmatch(r"pytest: -n \d+ .* -k one two", run)


@pytest.mark.parametrize("failing", ["ruff", "mypy", "pytest", "ruff pytest"])
def test_the_tests_fail_with_the_first_failure_after_all_checks(checkout: Checkout, failing: str) -> None:
    code, output, _ = checkout.call("test", FAILING=failing)
    assert code == 7
    assert output.splitlines()[-1].startswith("pytest: ")


def test_missing_services_are_named_to_who_may_not_install_them(checkout: Checkout) -> None:
    as_somebody(checkout)
    (checkout.path / "packaging/services.list").write_text(ABSENT)
    assert checkout.call("run", "--with-services") == (
        1,
        "",
        (
            "chainwright: Services are missing, and installing them takes root. "
            "Install them with: sudo apt-get install some-package\n"
        ),
    )


def test_a_missing_package_fails_the_tests_in_continuous_integration(checkout: Checkout) -> None:
    as_somebody(checkout)
    (checkout.path / "packaging/test-packages.list").write_text(ABSENT)
    assert checkout.call("test", CI="true") == (
        1,
        "",
        (
            "chainwright: Some tests need packages that are missing, and installing them takes root. "
            "Install them with: sudo apt-get install some-package\n"
        ),
    )


def test_a_missing_package_is_named_before_the_tests_elsewhere(checkout: Checkout) -> None:
    as_somebody(checkout)
    (checkout.path / "packaging/test-packages.list").write_text(ABSENT)
    code, _, errors = checkout.call("test", CI="")
    assert code == 0
    assert errors.startswith(
        "chainwright: Some tests need packages that are missing, and installing them takes root. "
        "Install them with: sudo apt-get install some-package\n"
    )


def test_a_machine_without_python_is_told_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    as_somebody(checkout)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ["sh", "readlink", "cat", "flock", "sha256sum"]:
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    (tools / "id").symlink_to(checkout.programs / "id")
    without_system_python = (checkout.path / "packaging/setup.sh").read_text().replace(" /usr/bin/python3;", ";")
    (checkout.path / "packaging/setup.sh").write_text(without_system_python)
    assert checkout.call("run", "status", PATH=str(tools)) == (
        1,
        "",
        (
            "chainwright: Python 3.11 or newer with its venv module is missing. "
            "Install it with: sudo apt-get install python3-venv\n"
        ),
    )


def test_the_two_commands_and_their_helpers_can_be_executed() -> None:
    root = Path(__file__).parents[2]
    assert all(os.access(root / name, os.X_OK) for name in ["run", "test", ".ci/run", "packaging/lock"])
