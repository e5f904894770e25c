"""What is wrong with one directory of the agent, or with what one module is made from, stops no pass."""

from __future__ import annotations

from textwrap import dedent

import pytest

from agent.model.deployment import Outcome
from agent.rendering.templates import digest_of
from support.appliances.api import NAME
from support.appliances.deployed import served
from support.told import codes, told

ODD = '''
    from typing import Annotated
    from chainwright import ChainFile, Module, Part, Text, hookimpl
    from pydantic import PlainSerializer

    def failing(value):
        raise KeyError(value)

    class Odd(Module):
        """A module of which a field can't be written down."""

        name = "odd"
        unprobed = "nothing listens"
        reload = ("true",)
        words: Annotated[str, PlainSerializer({written})]

        def declare_needs(self, host):
            return [self.need("odd.example.test")]

        def receive_chains(self, chains):
            return [ChainFile(path="odd.pem", slot=each, parts=(Part.KEY, Part.FULLCHAIN)) for each in chains]

        def render_files(self, context):
            return [Text(path="odd.conf", content="")]

    __file__ = {file}

    @hookimpl
    def register_modules():
        return [Odd]
'''


def test_a_directory_that_can_not_be_made_is_told_and_all_else_goes_on(tunnel):
    layout = tunnel.layout
    broken = [layout.log, layout.webroot, layout.services]
    for path in broken:
        path.rename(path.with_name(f"{path.name}.before"))
        path.write_text("")
    before = tunnel.chains("tunnel")
    tunnel.renew()
    tunnel.apply()
    assert tunnel.chains("tunnel") != before
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert [served(tunnel.port, NAME)] == [*tunnel.chains("tunnel").values()]
    found = [each for each in told(tunnel) if each["problem"]["code"] == "deploy.place_missing"]
    assert [(each["kind"], each["severity"]) for each in found] == [("appliance", "error")] * 3
    assert {(each["subject"], each["problem"]["fix"]) for each in found} == {
        (str(path), f"Move it away: mv {path} {path}.found, then: chainwright apply") for path in broken
    }
    for path in broken:
        path.unlink()
    tunnel.apply()
    assert [each for each in codes(told(tunnel)) if each[2] != "notice"] == []


@pytest.mark.parametrize(
    ("file", "written", "code", "where"),
    [
        ("__file__", "failing", "plugin.module_raised", "odd ({}:9)"),
        ('"/dev/null"', "str", "deploy.file_unreadable", "/dev/null"),
    ],
    ids=["settings", "files"],
)
def test_a_module_whose_settings_or_files_can_not_be_read_stops_alone(tunnel, file, written, code, where):
    (tunnel.layout.plugins / "odd.py").write_text(dedent(ODD.format(file=file, written=written)))
    table = tunnel.layout.settings.read_text().replace("plugins.", "plugins.odd.enabled = true\nplugins.", 1)
    tunnel.settings(f'{table}[modules.odd]\nwords = "odd"\n')
    before = tunnel.chains("tunnel")
    tunnel.renew()
    tunnel.apply()
    assert tunnel.chains("tunnel") != before
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    (found,) = told(tunnel)
    assert (found["kind"], found["title"], found["severity"]) == ("chain", "odd.example.test", "error")
    assert (found["problem"]["code"], found["problem"]["where"]) == (
        code,
        where.format(tunnel.layout.plugins / "odd.py"),
    )


def test_a_template_that_can_not_even_be_looked_at_is_a_matter_of_its_rendering(tmp_path):
    (tmp_path / "good.j2").write_text("good")
    good = digest_of([tmp_path])
    (tmp_path / "dead.j2").symlink_to("nowhere")
    assert digest_of([tmp_path]) == good
    (tmp_path / "long.j2").symlink_to("a" * 300)
    assert digest_of([tmp_path]) != good
