"""Files at fixed paths that move, go or are made otherwise: the old one is taken away in the switch that brings the new one."""

import os
from pathlib import Path
from textwrap import dedent

import pytest

from agent.model.deployment import Outcome, Step
from agent.model.events import EventKind
from support.appliances.deployed import Deployed, served
from support.paths import DYING
from support.ports import free_port
from support.processes import prepared
from support.told import told

PLUGIN = '''
    from chainwright import ChainFile, Command, Endpoint, Module, Part, PathText, Service, Signal, Template, Text, hookimpl

    class Toyd(Service):
        """Toy daemon whose entry may be published."""

        name = "toyd"
        port: int
        include: PathText | None = None
        refused: bool = False
        failing: bool = False

        @property
        def reload_proves(self):
            return True

        def render_entry(self, context):
            yield Template(path="entry.conf")
            if self.include:
                text = f"include {context.places.live}/entry.conf"
                yield Text(path="include.conf", text=text, publish=self.include, how="copy")
            if self.refused:
                yield Text(path="refused", text="")

        def check_command(self, context):
            return Command(("test", "!", "-e", f"{context.directory}/refused"))

        def reload_command(self, context):
            return Command(("false",)) if self.failing else Signal(context.places.run / "toyd.pid")

    class Unitd(Service):
        """Daemon whose entry has a file only with one kind of manager, as strongSwan's drop-in of its unit."""

        name = "unitd"
        drop_in: bool = True

        @property
        def reload_proves(self):
            return True

        def render_entry(self, context):
            if self.drop_in:
                yield Text(path="unit.conf", text="[Service]", publish="/etc/units/unitd.conf", how="copy")

        def reload_command(self, context):
            return Command(("true",))

    class Front(Module):
        """Sites."""

        name = "front"
        services = ("toyd", "unitd")
        port: int
        publish: PathText | None = None
        how: str = "link"

        def declare_needs(self, host):
            return [self.need("a.example.test")]

        def receive_chains(self, chains):
            for slot in chains:
                yield ChainFile(path="a.example.test/site.pem", slot=slot, parts=(Part.KEY, Part.FULLCHAIN))
                if self.publish:
                    yield ChainFile(
                        path="published.pem", slot=slot, parts=(Part.KEY, Part.FULLCHAIN), publish=self.publish, how=self.how
                    )

        def render_files(self, context):
            for slot in context.chains:
                text = f"site a.example.test {context.directory}/a.example.test/site.pem"
                yield Text(path="a.example.test/site.conf", slot=slot, text=text)

        def probes(self, context):
            return [Endpoint(port=self.port, server_name="a.example.test")]

    @hookimpl
    def register_modules():
        return [Front]

    @hookimpl
    def register_services():
        return [Toyd, Unitd]
'''
OLD, NEW = "/etc/old/front.pem", "/etc/new/front.pem"
DROP_IN = "/etc/units/unitd.conf"
OLD_ENTRY, NEW_ENTRY = "/etc/old/entry.conf", "/etc/new/entry.conf"


def write_settings(box: Deployed, *, module: str = "", service: str = "", more: str = "") -> None:
    box.settings(
        'hostname = "gw"\nplugins.published.enabled = true\n[probe]\ntimeout = 3\n'
        f"[services.toyd]\nport = {box.port}\n{service}[modules.front]\nport = {box.port}\n{module}{more}"
    )


def at(box: Deployed, *paths: str) -> list[Path]:
    return [
        box.layout.rooted(path)
        for path in paths
        if box.layout.rooted(path).is_symlink() or box.layout.rooted(path).exists()
    ]


BEFORE = {"module": f'publish = "{OLD}"\n', "service": f'include = "{OLD_ENTRY}"\n'}
AFTER = {"module": f'publish = "{NEW}"\n', "service": f'include = "{NEW_ENTRY}"\n'}


@pytest.fixture
def box(appliance):
    appliance.drop_in("shared")
    (appliance.layout.plugins / "shared.py").unlink()
    (appliance.layout.plugins / "published.py").write_text(dedent(PLUGIN))
    appliance.port = free_port()
    write_settings(appliance, **BEFORE)
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    appliance.apply()
    assert appliance.deployment("front").outcome is Outcome.LIVE
    assert len(at(appliance, OLD, OLD_ENTRY)) == 2
    return appliance


def test_a_path_that_moves_is_taken_away_where_it_was(box):
    write_settings(box, **AFTER)
    box.apply()
    assert at(box, OLD, OLD_ENTRY) == []
    assert at(box, NEW, NEW_ENTRY) == [box.layout.rooted(NEW), box.layout.rooted(NEW_ENTRY)]
    assert box.deployment("front").outcome is Outcome.LIVE


def test_a_path_that_is_no_longer_published_is_taken_away(box):
    write_settings(box)
    box.apply()
    assert at(box, OLD, OLD_ENTRY) == []
    assert box.apply().performed == ()


def test_the_only_file_of_a_service_is_taken_away_when_another_manager_needs_none(box):
    assert len(at(box, DROP_IN)) == 1
    write_settings(box, **BEFORE, more="[services.unitd]\ndrop_in = false\n")
    box.apply()
    assert at(box, DROP_IN) == []
    assert box.apply().performed == ()
    write_settings(box, **BEFORE)
    box.apply()
    assert len(at(box, DROP_IN)) == 1


def test_a_link_becomes_a_copy_and_a_link_again(box):
    for how in ("copy", "link"):
        write_settings(box, module=f'{BEFORE["module"]}how = "{how}"\n', service=BEFORE["service"])
        box.apply()
        assert box.deployment("front").problem is None
        assert box.layout.rooted(OLD).is_symlink() is (how == "link")


def test_what_somebody_else_has_put_there_meanwhile_is_left_alone(box):
    place = box.layout.rooted(OLD_ENTRY)
    place.write_text("mine\n")
    write_settings(box, **AFTER)
    box.apply()
    assert place.read_text() == "mine\n"
    assert at(box, OLD) == []


def test_a_refusal_leaves_it_where_it_was(box):
    write_settings(box, module=AFTER["module"], service=f"{AFTER['service']}refused = true\n")
    box.apply()
    assert box.layout.rooted(OLD_ENTRY).exists()
    assert at(box, NEW_ENTRY) == []


def test_going_back_puts_it_back(box):
    write_settings(box, module=AFTER["module"], service=f"{AFTER['service']}failing = true\n")
    box.apply()
    assert box.deployment("front").outcome is Outcome.ROLLED_BACK
    assert at(box, NEW, NEW_ENTRY) == []
    assert len(at(box, OLD, OLD_ENTRY)) == 2


def test_a_module_that_is_removed_takes_its_published_files_with_it(box):
    box.settings('hostname = "gw"\n')
    box.apply()
    assert at(box, OLD) == []
    assert "modules/" not in (box.layout.service("toyd").live / "entry.conf").read_text()
    assert served(box.port, "a.example.test") == ""
    assert box.apply().performed == ()


@pytest.mark.parametrize("how", ["link", "copy"])
def test_a_module_under_another_name_takes_its_path_over(box, how):
    module = f'{BEFORE["module"]}how = "{how}"\n'
    write_settings(box, module=module, service=BEFORE["service"])
    box.apply()
    box.settings(box.layout.settings.read_text().replace("[modules.front]", '[modules.other]\nplugin = "front"'))
    box.apply()
    assert box.deployment("other").outcome is Outcome.LIVE, box.deployment("other").problem
    assert box.layout.rooted(OLD).read_bytes() == (box.live("other") / "published.pem").read_bytes()
    with box.store() as store:
        assert list(store.deployments.all()) == ["other"]
    assert box.apply().performed == ()


def damage(path: Path, way: str) -> None:
    if way == "gone":
        path.unlink()
    elif way == "a link":
        path.unlink()
        path.symlink_to("/dev/null")
    else:
        path.write_text("torn\n")


@pytest.mark.parametrize("way", ["gone", "changed", "a link"])
def test_what_is_changed_or_gone_is_written_again_and_told(box, way):
    write_settings(box, module=f'{BEFORE["module"]}how = "copy"\n', service=BEFORE["service"])
    box.apply()
    paths = at(box, OLD, OLD_ENTRY, DROP_IN)
    before = {path: path.read_bytes() for path in paths}
    for path in paths:
        damage(path, way)
    found = [path.lstat().st_ino for path in paths if os.path.lexists(path)]
    box.events.clear()
    box.clock.advance(minutes=20)
    box.apply()
    kept = [path.with_name(f".{path.name}.chainwright-found") for path in paths]
    assert [path.lstat().st_ino for path in kept if os.path.lexists(path)] == found, "it may be the administrator's"
    assert {path: path.read_bytes() for path in paths if not path.is_symlink()} == before
    assert [each.text for each in box.events if each.kind is EventKind.DRIFT] == [
        f"The file {path} is no longer what the agent wrote." for path in paths
    ]
    assert box.deployment("front").outcome is Outcome.LIVE
    box.clock.advance(minutes=20)
    assert box.apply().performed == ()


def test_a_boot_writes_it_again_and_has_the_service_test_what_it_starts_with(box):
    paths = at(box, OLD, OLD_ENTRY, DROP_IN)
    for path in paths:
        path.unlink()
    box.runner.ran.clear()
    box.engine().boot()
    assert at(box, OLD, OLD_ENTRY, DROP_IN) == paths
    entry = box.layout.services / "toyd" / "1"
    assert [str(each) for each in box.runner.ran] == [f"test ! -e {entry}/refused"]


def test_a_directory_in_its_place_is_named_and_heals(box):
    place = box.layout.rooted(OLD_ENTRY)
    place.unlink()
    place.mkdir()
    box.clock.advance(minutes=20)
    box.apply()
    found = [each["problem"] for each in told(box) if each["problem"]["code"] == "deploy.disk"]
    assert [(each["where"], each["cause"]) for each in found] == [
        (str(place), "A file can't be written: a directory is in its place.")
    ]
    place.rmdir()
    box.clock.advance(minutes=20)
    box.apply()
    assert place.is_file()
    assert [each for each in told(box) if each["severity"] != "notice"] == []


STEPS = [step for step in Step if step is not Step.GOING_BACK]


@pytest.mark.parametrize("boot", [False, True])
@pytest.mark.parametrize("where", [*STEPS, *(f"rename:{number}" for number in range(1, 5))])
def test_a_crash_leaves_either_all_or_nothing_moved_when_the_next_run_is_done(box, where, boot):
    write_settings(box, **AFTER)
    argv = [DYING, box.root, where, "0"]
    assert prepared.run(argv).returncode == 9, f"it never came to {where}"
    if boot:
        box.engine().boot()
    box.apply()
    assert at(box, OLD, OLD_ENTRY) == []
    assert len(at(box, NEW, NEW_ENTRY)) == 2
    assert box.deployment("front").outcome is Outcome.LIVE
    assert box.apply().performed == ()
