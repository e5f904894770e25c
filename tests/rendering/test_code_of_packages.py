"""What a package's other files say is rendered anew when they change, as what the module's own file says is."""

from pathlib import Path

from chainwright.testing import Appliance

SOURCE = """
from chainwright import Module, Text, hookimpl
from .words import WORD


class Box(Module):
    '''A box.'''

    name = "box"
    reload = ("true",)
    unprobed = "it is a box"

    def declare_needs(self, host):
        return [self.need("box.lan")]

    def render_files(self, context):
        return [Text(path="box.conf", text=WORD)]


@hookimpl
def register_modules():
    return [Box]
"""


def test_a_change_of_a_module_s_helper_is_deployed(tmp_path: Path) -> None:
    package = tmp_path / "box"
    package.mkdir()
    (package / "__init__.py").write_text(SOURCE)
    with Appliance.make() as appliance:
        appliance.settings({"modules": {"box": {}}})
        for word in ("one", "other"):
            (package / "words.py").write_text(f"WORD = {word!r}\n")
            appliance.install(package)
            appliance.apply()
            assert (appliance.layout.module("box").live / "box.conf").read_text() == word
