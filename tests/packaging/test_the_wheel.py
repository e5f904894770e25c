import shutil
import site
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.paths import CHECKOUT
from support.processes.demo import Demo


def run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=100).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the locked backend of this environment: nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=CHECKOUT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of an environment that has the wheel, and its dependencies from the environment of the tests.

    A path in a `.pth` file brings no `.pth` files with it, so the editable checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("away") / "environment"
    uv = shutil.which("uv")
    venv.create(folder, with_pip=uv is None, symlinks=True)
    python = folder / "bin/python"
    program = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    run(*program, "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=folder).strip())
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    yield folder
    shutil.rmtree(folder)


def files_below(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_wheel_has_every_template_below_its_package(wheel: Path) -> None:
    prefix = "agent/templates/"
    shipped = {name.removeprefix(prefix) for name in zipfile.ZipFile(wheel).namelist() if name.startswith(prefix)}
    assert shipped == files_below(CHECKOUT / "templates") != set()


def test_the_wheel_has_what_the_browser_gets_with_its_licence_and_the_texts(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"static/{name}" for name in files_below(CHECKOUT / "plugins/webui/static")} | {"texts/en.toml"}
    assert "static/htmx-LICENSE.txt" in wanted
    assert {f"plugins/webui/{name}" for name in wanted} <= names


def test_the_wheel_has_the_licence_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith("/licenses/LICENSE")] != []
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"agent", "chainwright", "plugins"}


def test_an_environment_away_from_the_checkout_uses_what_the_wheel_has(installed: Path) -> None:
    script = "import agent, plugins; print(agent.__file__, plugins.__file__, sep='\\n')"
    places = run(installed / "bin/python", "-c", script, cwd=installed).splitlines()
    assert [Path(place).is_relative_to(installed) for place in places] == [True, True]


def test_an_environment_away_from_the_checkout_finds_the_templates(installed: Path) -> None:
    script = "from agent.rendering.template_places import built_in_directory; print(built_in_directory())"
    found = Path(run(installed / "bin/python", "-c", script, cwd=installed).strip())
    assert found.is_relative_to(installed)
    assert files_below(found) == files_below(CHECKOUT / "templates")


class InstalledDemo(Demo):
    """Its command alone: ports are as everybody has them, or free ones where another test was faster."""

    def demo_command(self, *arguments: str) -> list[str]:
        return [*self.command, "demo", "--root", str(self.root), "--port", *arguments]


def test_the_installed_command_runs_the_demo(installed: Path) -> None:
    with TemporaryDirectory(prefix="cw-") as place:
        demo = InstalledDemo(Path(place) / "var", command=(str(installed / "bin/chainwright"),))
        with demo.up(str(demo.port)) as running:
            assert "<title>Log in - Chainwright</title>" in demo.fetch(f"https://localhost:{demo.port}/")
            assert f"  {installed}/bin/chainwright --root {demo.root} status" in running.lines
            assert "webui" in demo.call("status").stdout
            assert demo.call("root", "download").stdout == (demo.root / "root.pem").read_text()
            assert running.ends() == 0
            assert demo.processes() == []


def test_the_installed_command_runs_away_from_the_checkout(installed: Path) -> None:
    assert "0.1.0" in run(installed / "bin/chainwright", "--version", cwd=installed)
