"""The commands where another distribution has installed a package of the same name as one of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.paths import CHECKOUT

RUINED = 'raise SystemExit("code of another distribution has run")\n'


@dataclass(frozen=True)
class Installation:
    """Packages of the checkout in a directory of their own, and the two commands as an installer writes them."""

    place: Path

    @classmethod
    def make(cls, place: Path) -> Installation:
        for name in ("agent", "chainwright", "plugins", "templates"):
            shutil.copytree(CHECKOUT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        (place / "bin").mkdir()
        for command, function in (("chainwright", "main"), ("config-apply", "config_apply")):
            text = f"import sys\nfrom chainwright._command import {function}\nsys.exit({function}())\n"
            (place / "bin" / command).write_text(text)
        return cls(place)

    def run(self, command: str, *arguments: str, first: Path | None = None) -> tuple[int, str, str]:
        """Run a command, with `first` earlier on the path. Without `site`, as that adds the checkout."""
        path = [*([first] if first else []), self.place, sysconfig.get_path("purelib")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
        argv = [sys.executable, "-S", str(self.place / "bin" / command), *arguments]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path / "site-packages")


def foreign(file: Path, name: str) -> str:
    return (
        f'Error: {file} is not Chainwright\'s package "{name}": another distribution has taken its place.\n'
        "    Nothing was done. Uninstall that distribution and install chainwright again, each in an environment of its own.\n"
    )


def test_both_commands_run_where_every_package_is_ours(installation: Installation):
    code, output, errors = installation.run("chainwright", "--version")
    assert (code, errors) == (0, "")
    assert output.startswith("chainwright ")
    code, output, errors = installation.run("config-apply", "--help")
    assert (code, errors) == (0, "")
    assert output.startswith("Usage: config-apply ")


@pytest.mark.parametrize("command", ["chainwright", "config-apply"])
@pytest.mark.parametrize("name", ["agent", "plugins"])
def test_another_distribution_s_package_earlier_on_the_path_is_named_and_none_of_its_code_runs(
    installation: Installation, tmp_path: Path, command: str, name: str
):
    other = tmp_path / "other" / name / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text(RUINED)
    assert installation.run(command, "--help", first=tmp_path / "other") == (1, "", foreign(other, name))


@pytest.mark.parametrize("name", ["agent", "plugins"])
@pytest.mark.parametrize("text", ["", RUINED, '"""An agent for something else."""\n'])
def test_a_package_that_was_overwritten_is_named(installation: Installation, name: str, text: str):
    overwritten = installation.place / name / "__init__.py"
    overwritten.write_text(text)
    assert installation.run("chainwright", "--help") == (1, "", foreign(overwritten, name))


def test_a_package_that_was_merged_with_a_directory_without_an_init_is_named(installation: Installation):
    (installation.place / "plugins/__init__.py").unlink()
    assert installation.run("chainwright", "--help") == (1, "", foreign(installation.place / "plugins", "plugins"))


@pytest.mark.parametrize("name", ["agent", "plugins"])
def test_a_package_that_is_missing_is_named(installation: Installation, name: str):
    shutil.rmtree(installation.place / name)
    assert installation.run("chainwright", "--help") == (
        1,
        "",
        f'Error: Chainwright\'s package "{name}" is missing.\n    Nothing was done. Install chainwright again.\n',
    )


def test_a_link_to_the_installation_is_the_installation(installation: Installation, tmp_path: Path):
    (tmp_path / "link").symlink_to(installation.place)
    assert Installation(tmp_path / "link").run("chainwright", "--version")[0] == 0
