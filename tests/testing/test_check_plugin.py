"""The check of plugins: good ones of every kind pass, and each fault is told with its line and what to do."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.testing.check import check
from chainwright.testing import check_plugin
from support.checked_plugins import module, told
from support.paths import THIRD_PARTY

GOOD: dict[str, tuple[Path | str, Mapping[str, object]]] = {
    "tunnel": (THIRD_PARTY / "tunnel.py", {"domain": "t.lan"}),
    "shared": (
        THIRD_PARTY / "shared.py",
        {
            "services": {"toyd": {"port": 4443}},
            "modules": {
                "front": {"sites": ["a.lan", "b.lan"], "port": 4443},
                "side": {"sites": ["c.lan"], "port": 4443},
            },
        },
    ),
    "mx": (THIRD_PARTY / "mx.py", {"domain": "mx.lan"}),
    "slow": (THIRD_PARTY / "slow.py", {"failures": 0}),
    "files": ("files", {"chains": [{"names": ["a.lan"], "directory": "/etc/ssl/a"}], "command": ["true"]}),
    "ikev2": (
        "ikev2",
        {
            "domain": "vpn.example.com",
            "connections": [{"name": "r", "pools": ["10.88.0.0/24"], "local_ts": ["10.77.0.0/16"]}],
            "users": [{"name": "ann", "password": "four plain words here"}],
        },
    ),
    "mail": ("mail", {"hostname": "mail.example.com", "domains": ["mail.example.org"]}),
    "reverse_proxy": ("reverse_proxy", {"sites": [{"domains": ["a.example.com"], "upstream": "http://192.0.2.5:80"}]}),
    "sstp": ("sstp", {"domain": "vpn.example.com"}),
    "web_auth": ("web_auth", {"domain": "portal.example.com", "upstream": "http://127.0.0.1:8000"}),
    "webui": ("webui", {"domain": "gw.example.com"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_passes(name: str):
    plugin, settings = GOOD[name]
    report = check_plugin(plugin, settings)
    assert report.faults == ()
    assert len(report.checked) > 4


def test_the_test_of_a_plugin_is_three_lines(tmp_path: Path):
    report = check_plugin(module(tmp_path, ""))
    assert "a process that dies at the step switching" in report.checked
    assert report.lines() == [f'The plugin "box" is good: {len(report.checked)} checks.']


FAULTY: dict[str, tuple[str, list[str]]] = {
    "a file is read": (
        """
        def render_files(self, context):
            return [Text(path="box.conf", text=Path("/etc/passwd").read_text())]
        """,
        [
            (
                'return [Text(path="box.conf", text=Path("/etc/passwd").read_text())] -> '
                "render_files opens /etc/passwd: a hook declares, and does no input or output."
            )
        ],
    ),
    "a name is looked up": (
        """
        def declare_needs(self, host):
            socket.getaddrinfo("127.0.0.1", 80)
            return [self.need("box.lan")]
        """,
        [
            (
                'socket.getaddrinfo("127.0.0.1", 80) -> '
                "declare_needs asks the network for 127.0.0.1: a hook declares, and does no input or output."
            )
        ],
    ),
    "a program is started": (
        """
        def reload_command(self, context):
            subprocess.run(["true"])
            return Command(("box-reload",))
        """,
        [
            (
                'subprocess.run(["true"]) -> '
                "reload_command starts the program true: a hook declares, and does no input or output."
            )
        ],
    ),
    "needs are random": (
        """
        def declare_needs(self, host):
            return [self.need(f"{uuid.uuid4().hex}.lan")]
        """,
        ["def declare_needs(self, host): -> declare_needs answered differently when it was asked twice for the same."],
    ),
    "a file is numbered": (
        """
        def render_files(self, context):
            return [Text(path="box.conf", text=f"# box\\n# {uuid.uuid4().int % 1:.0f}{next(COUNT)}")]
        """,
        [
            (
                "def render_files(self, context): -> "
                'The file "box.conf" was rendered differently another time; line 2 was "# 00", then "# 01".'
            )
        ],
    ),
    "a key is in a text": (
        """
        def render_files(self, context):
            return [Text(path="box.conf", text="-----BEGIN PRIVATE KEY-----")]
        """,
        ['def render_files(self, context): -> The text of the file "box.conf" has a private key in it.'],
    ),
    "a slot is nowhere": (
        """
        def declare_needs(self, host):
            return [self.need("a.lan", slot="a"), self.need("b.lan", slot="b")]

        def probes(self, context):
            return [Endpoint(port=443, slot="a")]
        """,
        [
            (
                'def probes(self, context): -> probes names no endpoint of the slot "b", and nothing else shows what is served '
                "of it."
            )
        ],
    ),
    "a pid file is the machine's": (
        """
        def running(self, context):
            return Path("/run/box.pid")
        """,
        ["def running(self, context): -> running names /run/box.pid, which is not below the root of this appliance."],
    ),
    "it wants a chain that isn't there yet": (
        """
        def render_files(self, context):
            return [Text(path="box.conf", text=context.chains["default"].id)]
        """,
        [
            (
                'return [Text(path="box.conf", text=context.chains["default"].id)] -> '
                "The plugin failed in render_files: KeyError: 'default'."
            )
        ],
    ),
    "a change breaks it": (
        """
        def consequences_of(self, change, observed):
            return [Consequence(f"{1 / 0}")]
        """,
        [
            (
                'return [Consequence(f"{1 / 0}")] -> '
                "The plugin failed in consequences_of: ZeroDivisionError: division by zero."
            )
        ],
    ),
    "a command is a list": (
        """
        def reload_command(self, context):
            return ["box-reload"]
        """,
        [
            (
                "def reload_command(self, context): -> The plugin's answer to reload_command can't be used: "
                "it is an object of type list, not Command or Signal or None."
            )
        ],
    ),
    "its own test refuses": (
        'check = ("sh", "-c", "echo error: no; false")',
        [" -> box is refused after the first deployment, not live: sh refused the new configuration: error: no."],
    ),
    "nothing is reloaded": (
        """
        def reload_command(self, context):
            return None
        """,
        [
            " -> box is rolled back after a renewal, not live: 127.0.0.1:443 (box.lan) serves the chain ID instead of ID.",
            (
                "def reload_command(self, context): -> box is not loaded by its service after a renewal, not loaded: its service "
                "was not told: reload_command names nothing that was run."
            ),
        ],
    ),
    "a mode is opened": (
        'prepare = ("chmod", "644", "{dir}/default.pem")',
        [
            (
                'class Box(Module): -> The file "default.pem" was declared with the '
                "mode 0600, and has 0644 after the deployment."
            )
        ],
    ),
    "something is left": (
        'prepare = ("touch", "{dir}/../../../../../../left")',
        [("class Box(Module): -> left is still there after the module was taken out.")],
    ),
}


@pytest.mark.parametrize("name", FAULTY)
def test_each_fault_is_told_with_its_line(name: str, tmp_path: Path):
    body, expected = FAULTY[name]
    path = module(tmp_path, body)
    path.write_text(path.read_text().replace("class Box", "COUNT = itertools.count()\n\n\nclass Box"))
    assert told(check(path)) == expected


@pytest.mark.parametrize("package", [False, True])
def test_a_file_in_the_order_of_a_set_is_told_though_this_process_keeps_that_order(tmp_path: Path, package: bool):
    body = """
    def render_files(self, context):
        return [Text(path="box.conf", text=" ".join({f"name{number}" for number in range(40)}))]
    """
    path = module(tmp_path, body)
    if package:
        path = path.rename(path.with_name("__init__.py")).parent
    (fault,) = check(path).faults
    assert (fault.check, fault.problem.code) == ("box: the same files in another process", "check.rendering_changes")


def test_a_package_is_checked_as_a_file_is(tmp_path: Path) -> None:
    package = tmp_path / "tunnel"
    shutil.copytree(THIRD_PARTY / "templates", package / "templates")
    source = (THIRD_PARTY / "tunnel.py").read_text()
    (package / "__init__.py").write_text("from .tunnel import register_modules\n\n__all__ = ['register_modules']\n")
    (package / "tunnel.py").write_text(source)
    assert check_plugin(package, settings={"domain": "t.lan"}).ok
