"""The project of a new plugin, of each kind: it can be installed, passes its own test at once, and can be enabled as it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.model.plugin_kind import PluginKind
from agent.operations.new_plugin import new_plugin
from agent.system.layout import Layout
from support.clients.terminal import Terminal

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Projects:
    """One of each kind, all of them installed into one directory."""

    folder: Path

    @property
    def installed(self) -> Path:
        return self.folder / "installed"

    def path(self, kind: PluginKind) -> Path:
        return self.folder / f"chainwright-my-{kind}"

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        """Run a command that sees them; return what it prints."""
        environment = {**os.environ, "PYTHONPATH": str(self.installed)}
        done = subprocess.run(
            command, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    found = Projects(tmp_path_factory.mktemp("projects"))
    for kind in PluginKind:
        new_plugin(Layout(found.folder / "root"), f"my-{kind}", kind, found.path(kind))
    uv = shutil.which("uv")
    program = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", found.installed]
    found.run(*program, *offline, *map(found.path, PluginKind))
    return found


@pytest.mark.parametrize("kind", PluginKind)
def test_its_own_test_passes_at_once(projects: Projects, kind: PluginKind):
    printed = projects.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=projects.path(kind))
    assert re.search(r"\b1 passed\b", printed)


def test_what_is_written_is_clean(projects: Projects):
    for kind in PluginKind:
        projects.run(BIN / "ruff", "check", "--no-cache", cwd=projects.path(kind))
        projects.run(BIN / "ruff", "format", "--no-cache", "--check", cwd=projects.path(kind))


def test_what_is_written_is_typed(projects: Projects):
    packages = [projects.path(kind) / each for kind in PluginKind for each in (f"chainwright_my_{kind}", "tests")]
    cache = f"--cache-dir={projects.folder / 'types'}"
    assert "Success" in projects.run(BIN / "mypy", "--strict", cache, "--python-version=3.11", *packages)


@pytest.mark.parametrize("way", ["installed", "copied"])
def test_each_is_listed_without_a_problem_and_enabled_by_what_its_readme_says(
    projects: Projects, tmp_path: Path, way: str
):
    settings = tmp_path / "etc/chainwright/conf.d"
    settings.mkdir(parents=True)
    for kind in PluginKind:
        (example,) = re.findall(r"```toml\n(.*?)```", (projects.path(kind) / "README.md").read_text(), re.DOTALL)
        (settings / f"my-{kind}.toml").write_text(example)
        if way == "copied":
            package = projects.path(kind) / f"chainwright_my_{kind}"
            shutil.copytree(package, tmp_path / "etc/chainwright/plugins" / f"my-{kind}")
    terminal = Terminal(tmp_path)
    seen = {"PYTHONPATH": str(projects.installed)} if way == "installed" else {}
    found = json.loads(terminal.run("plugins", "--json", **seen).stdout)["plugins"]
    assert {
        each["name"]: (each["state"], each["problems"], each["notices"]) for each in found if "my-" in each["name"]
    } == {f"my-{kind}": ("on", [], []) for kind in PluginKind}
    done = terminal.run("config", "check", **seen)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == "The settings can be used: 2 modules (my-module, my-service), sources uploaded, my-source, local.\n"
    )


def test_what_was_written_and_the_next_commands_are_told(tmp_path: Path):
    done = Terminal(tmp_path).run("plugins", "new", "tls-tunnel", "--directory", str(tmp_path / "a project"))
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"Written to {tmp_path}/a project:",
        "  .gitignore",
        "  README.md",
        "  chainwright_tls_tunnel/__init__.py",
        "  chainwright_tls_tunnel/py.typed",
        "  chainwright_tls_tunnel/templates/tls-tunnel.conf.j2",
        "  pyproject.toml",
        "  tests/test_tls_tunnel.py",
        "Install and test it:",
        f"  cd '{tmp_path}/a project' && pip install -e '.[test]'",
        "  pytest",
    ]
    assert 'tls-tunnel = "chainwright_tls_tunnel"\n' in (tmp_path / "a project/pyproject.toml").read_text()
    assert "class TlsTunnel(Module):\n" in (tmp_path / "a project/chainwright_tls_tunnel/__init__.py").read_text()


def test_the_same_is_told_as_data(tmp_path: Path):
    made = Terminal(tmp_path).json(
        "plugins", "new", "vault", "--kind", "source", "--directory", str(tmp_path / "vault")
    )
    assert (made["name"], made["kind"], made["directory"]) == ("vault", "source", str(tmp_path / "vault"))
    assert "chainwright_vault/__init__.py" in made["files"]


def test_nothing_is_written_over_what_is_there(tmp_path: Path):
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault/mine").write_text("mine")
    done = Terminal(tmp_path).run("plugins", "new", "vault", "--directory", str(tmp_path / "vault"))
    assert (done.returncode, done.stderr) == (
        2,
        (
            f"Error: {tmp_path}/vault: There is something at that place already; nothing was written.\n"
            "Choose another place: --directory DIR\n"
        ),
    )
    assert [each.name for each in (tmp_path / "vault").iterdir()] == ["mine"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    done = Terminal(tmp_path).run("plugins", "new", "vault", "--directory", str(tmp_path / "file/vault"))
    assert (done.returncode, done.stderr) == (
        2,
        (
            f"Error: {tmp_path}/file/vault: The project can't be written: not a directory.\n"
            "Choose another place: --directory DIR\n"
        ),
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Vault", 'it must be lower-case letters, digits, "_" or "-", at most 64'),
        ("_vault", "it must begin with a letter, and end with a letter or a digit"),
        ("vault-", "it must begin with a letter, and end with a letter or a digit"),
    ],
)
def test_a_name_that_no_plugin_can_have_is_refused(tmp_path: Path, name: str, reason: str):
    done = Terminal(tmp_path).run("plugins", "new", name, "--directory", str(tmp_path / "made"))
    assert (done.returncode, done.stderr) == (
        2,
        (
            f'Error: A new plugin can\'t be named "{name}": {reason}.\n'
            "Choose another name, for example: chainwright plugins new tunnel\n"
        ),
    )
    assert not (tmp_path / "made").exists()


def test_the_name_of_one_that_is_installed_is_refused(tmp_path: Path):
    done = Terminal(tmp_path).run("plugins", "new", "nginx", "--directory", str(tmp_path / "made"))
    assert re.match(
        r'Error: A new plugin can\'t be named "nginx": the plugin nginx \(chainwright [0-9.]+\) has that name\.\n',
        done.stderr,
    )
