"""A change of what a pass reads makes one, when the burst that it is a part of is over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.daemon.event_loop import EventLoop
from agent.daemon.file_watch import MOST, FileWatch
from support.appliances.idle import START, configure
from support.paths import CHECKOUT
from support.processes.daemon import Agent
from support.waiting import until


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    with EventLoop(stops=(), pokes=()) as found:
        yield found


def change(loop: EventLoop, watch: FileWatch) -> str:
    """Wait for the next change."""
    found: list[str] = []

    def has_come() -> bool:
        loop.wait(0.1)
        found.append(watch.changed())
        return bool(found[-1])

    until(has_come, what="a change")
    return found[-1]


def is_quiet(loop: EventLoop, watch: FileWatch) -> bool:
    """Whether nothing that has happened until now counts as a change."""
    loop.wait(0)
    return watch.seconds is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("chainwright.toml", "chainwright.toml"),
        ("conf.d/10-mail.toml", "conf.d"),
        ("templates/mail/main.cf.j2", "templates"),
        ("plugins/vpn.py", "plugins"),
    ],
)
def test_a_file_is_noticed_where_its_directory_is_new(loop, tmp_path, path, said):
    watch = FileWatch(str(tmp_path), loop.watch)
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("first")
    assert change(loop, watch) == str(tmp_path / said)
    file.write_text("second")
    assert change(loop, watch) == str(file)
    file.unlink()
    assert change(loop, watch) == str(file)
    watch.close()


def test_a_directory_that_does_not_exist_yet_is_noticed_with_what_is_in_it(loop, tmp_path):
    place = tmp_path / "etc/chainwright"
    watch = FileWatch(str(place), loop.watch)
    (tmp_path / "other").mkdir()
    assert is_quiet(loop, watch)
    place.mkdir(parents=True)
    assert change(loop, watch) == str(tmp_path / "etc")
    (place / "chainwright.toml").touch()
    assert change(loop, watch) == str(place / "chainwright.toml")
    shutil.rmtree(tmp_path / "etc")
    assert change(loop, watch)
    place.mkdir(parents=True)
    assert change(loop, watch) == str(tmp_path / "etc")
    watch.close()


def test_a_burst_is_one_change(loop, tmp_path):
    watch = FileWatch(str(tmp_path), loop.watch)
    for number in range(100):
        (tmp_path / f"{number}.toml").write_text("text")
    assert change(loop, watch) == str(tmp_path / "0.toml")
    assert is_quiet(loop, watch)
    watch.close()


def test_what_editors_and_python_leave_is_no_change(loop, tmp_path):
    watch = FileWatch(str(tmp_path), loop.watch)
    for name in ("chainwright.toml~", ".chainwright.toml.swp", "4913", "__pycache__"):
        (tmp_path / name).touch()
    assert is_quiet(loop, watch)
    (tmp_path / "4913").read_bytes()
    assert is_quiet(loop, watch)
    watch.close()


def test_so_many_directories_are_watched_and_no_more(loop, tmp_path):
    for number in range(MOST + 10):
        (tmp_path / f"{number:04}").mkdir()
    watch = FileWatch(str(tmp_path), loop.watch)
    (tmp_path / f"{MOST + 5:04}/file").touch()
    assert is_quiet(loop, watch)
    (tmp_path / "0001/file").touch()
    assert change(loop, watch) == str(tmp_path / "0001/file")
    watch.close()


def test_an_agent_makes_a_pass_when_a_file_has_changed(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        (idle.layout.conf_d).mkdir()
        agent.passes(f"{idle.layout.conf_d} has changed")
        more = '[modules.second]\nplugin = "tunnel"\nport = 1\ndomain = "s.example.test"\n'
        (idle.layout.conf_d / "more.toml").write_text(more)
        agent.passes(f"{idle.layout.conf_d}/more.toml has changed")
        assert idle.layout.module("second").live.exists()
        plugin = idle.layout.plugins / "tunnel.py"
        plugin.write_text(plugin.read_text() + "# changed\n")
        agent.passes(f"{plugin} has changed")
        template = idle.layout.templates / "tunnel/toyd.conf.j2"
        template.parent.mkdir(parents=True)
        agent.passes(f"{idle.layout.templates} has changed")
        template.write_text("port = 1\n")
        agent.passes(f"{template} has changed")


def test_settings_that_are_refused_and_corrected_are_noticed_without_a_poke(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        idle.settings("nonsense = 1\n")
        agent.says("There is an error in the settings")
        configure(idle)
        agent.says("the settings can be used again")


POLLING = """
import os, sys, time
from agent.daemon import file_watch
file_watch.POLL = 0.05
watch = file_watch.FileWatch(sys.argv[1], lambda descriptor, then: lambda: None)
open(f"{sys.argv[1]}/conf.d/more.toml", "w").close()
while not (changed := watch.changed()):
    time.sleep(watch.seconds)
print(changed)
"""


@pytest.mark.parametrize(("limit", "number"), [("max_inotify_watches", 1), ("max_inotify_instances", 0)])
def test_where_the_kernel_watches_no_more_the_files_are_looked_at_now_and_then(tmp_path, limit, number):
    (tmp_path / "conf.d").mkdir()
    script = f'echo {number} > /proc/sys/user/{limit} && exec {sys.executable} -c "$1" "$2"'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", POLLING, str(tmp_path)]
    if not os.environ.get("CI") and subprocess.run(["unshare", "--user", "true"], check=False).returncode:
        pytest.skip("a chroot can't have a user namespace, and these limits are of one")
    said = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, cwd=CHECKOUT)
    assert (said.stdout, said.stderr) == (f"{tmp_path}\n", "")
