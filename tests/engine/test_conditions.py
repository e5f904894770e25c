"""What passes find wrong beside the rows of the store: each is told alike by everything that tells how things are."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.health.modes import BEGIN_AGAIN, SEALED
from agent.operations.reissue import reissue
from support.clients.terminal import Terminal
from support.told import codes, told

HEADER = 'hostname = "gw"\n[probe]\ntimeout = 3\n'

RAISING_SOURCE = """
from datetime import datetime
from chainwright import Due, Offer, Source, hookimpl

class Odd(Source):
    '''A source that is broken.'''

    name = "odd"

    def offers(self, request, state):
        {offers}

    def due(self, request, state, now):
        {due}

    def obtain(self, request, context):
        raise NotImplementedError

@hookimpl
def register_sources():
    return [Odd]
"""
OFFERS, DUE = "return Offer(serves=True)", "return Due(at=now, reason='always')"

POLICY = """
from chainwright import hookimpl

@hookimpl(wrapper=True)
def declare_needs(host):
    answer = yield
    {}
    return answer
"""


def enable(appliance, name: str, source: str, ladder: str = "") -> None:
    """Install a drop-in plugin beside the tunnel, and name it in the settings."""
    (appliance.layout.plugins / f"{name}.py").write_text(source)
    tables = appliance.layout.settings.read_text().partition("hostname")[2]
    sources = ladder or 'sources = ["uploaded", "local"]'
    appliance.settings(f"plugins.{name}.enabled = true\n{sources}\nhostname{tables}")


def told_once(appliance) -> dict:
    """Return the only finding."""
    found = told(appliance)
    assert len(found) == 1, codes(found)
    return found[0]


def test_where_all_is_well_nothing_is_told(tunnel):
    assert told(tunnel) == []


@pytest.mark.parametrize(
    ("offers", "due", "said"),
    [
        ("raise OSError('no route')", DUE, "The source failed in offers: OSError: no route."),
        (
            "return True",
            DUE,
            "The source failed in offers: TypeError: it returned an object of type bool, not an Offer.",
        ),
        (OFFERS, "return 1 / 0", "The source failed in due: ZeroDivisionError: division by zero."),
        (
            OFFERS,
            "return Due(at=datetime(2026, 1, 1), reason='always')",
            (
                "The source failed in due: ValueError: the instant of Due is a datetime without a time zone; write for example "
                "now + timedelta(days=30)."
            ),
        ),
        (
            OFFERS,
            "return None",
            "The source failed in due: TypeError: it returned an object of type NoneType, not a Due.",
        ),
    ],
)
def test_a_source_that_is_broken_declines_and_is_told(tunnel, offers, due, said):
    enable(tunnel, "odd", RAISING_SOURCE.format(offers=offers, due=due), 'sources = ["uploaded", "odd", "local"]')
    tunnel.apply()
    found = told(tunnel)
    assert codes(found)[0] == ("plugin", "odd", "warning", "plugin.source_raised")
    assert found[0]["problem"]["cause"] == said
    assert found[0]["problem"]["where"].startswith('source "odd" (')
    assert ", line " in found[0]["problem"]["detail"]
    with tunnel.store() as store:
        (binding,) = store.modules.bindings()
        assert store.chains.record(binding.chain).source == "local"
    assert Terminal(tunnel.root).run("explain", "tunnel", "default").returncode == 0


def test_a_source_that_works_again_is_told_no_longer(tunnel):
    broken = RAISING_SOURCE.format(offers="raise OSError('no route')", due=DUE)
    enable(tunnel, "odd", broken, 'sources = ["uploaded", "odd", "local"]')
    tunnel.apply()
    (tunnel.layout.plugins / "odd.py").write_text(
        RAISING_SOURCE.format(offers="return Offer(serves=False, reason='it sleeps')", due=DUE)
    )
    tunnel.apply()
    assert told(tunnel) == []


def test_an_enabled_plugin_that_cannot_be_loaded_is_told(tunnel):
    enable(tunnel, "odd", "import no_such_module\n")
    tunnel.apply()
    found = told_once(tunnel)
    assert codes([found]) == [("plugin", "odd", "warning", "plugin.import_failed")]
    assert found["problem"]["cause"] == "Its import failed: ModuleNotFoundError: No module named 'no_such_module'."
    assert found["problem"]["where"] == f'plugin "odd" ({tunnel.layout.plugins}/odd.py:1)'
    (tunnel.layout.plugins / "odd.py").write_text("")
    tunnel.apply()
    assert told(tunnel) == []


def test_a_policy_that_raises_is_named_with_the_module_that_it_keeps_as_it_was(tunnel):
    enable(tunnel, "odd", POLICY.format("raise RuntimeError('no opinion')"))
    tunnel.apply()
    found = told_once(tunnel)
    assert codes([found]) == [("module", "tunnel", "error", "plugin.policy_raised")]
    assert found["problem"]["cause"] == (
        'The plugin "odd" failed when it was asked about declare_needs of this module: RuntimeError: no opinion.'
    )
    assert 'odd.py", line 7, in declare_needs' in found["problem"]["detail"]


# Room


@contextmanager
def small(path, size: str, inodes: int) -> Iterator[None]:
    """Mount a file system of its own at a directory."""
    options = f"size={size},nr_inodes={inodes},mode=750"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(path)], check=True, timeout=20)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=20)


@pytest.mark.root
def test_a_disk_that_gets_full_is_told_at_once_and_by_a_run_that_has_nothing_to_do(tunnel):
    log, terminal = tunnel.layout.log, Terminal(tunnel.root)
    with small(log, "8m", 2000):
        assert terminal.run("apply").returncode == 0
        assert terminal.run("apply").stdout.startswith("Nothing to do.")
        (log / "filling").write_bytes(b"x" * (7 << 20) + b"y" * (900 << 10))
        found = told_once(tunnel)
        assert codes([found]) == [("appliance", str(log), "warning", "status.disk")]
        problem = found["problem"]
        assert problem["cause"] == "The file system is nearly full: 0 MiB are free."
        assert problem["where"] == str(log)
        assert problem["effect"] == (
            "What is served goes on. When it is full, services can't write their logs, and some don't start without."
        )
        assert subprocess.run(problem["fix"].partition(": ")[2], shell=True, check=False, timeout=20).returncode == 0
        assert terminal.run("apply").returncode == 3
        since = told_once(tunnel)["since"]
        assert since is not None
        assert told_once(tunnel)["since"] == since
        (log / "filling").unlink()
        assert told(tunnel) == []
        assert terminal.run("apply").returncode == 0


# Modes


def mode(path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("place", "right", "severity"),
    [("private", 0o700, "warning"), ("private/master.key", 0o600, "warning"), ("modules", 0o711, "notice")],
)
def test_a_mode_of_the_state_that_was_changed_is_repaired_and_told_for_a_day(tunnel, place, right, severity):
    path = tunnel.layout.state / place
    path.chmod(0o755)
    tunnel.apply()
    assert mode(path) == right
    found = told_once(tunnel)
    assert codes([found]) == [("appliance", str(path), severity, "status.modes")]
    uid, gid = path.stat().st_uid, path.stat().st_gid
    assert found["problem"]["cause"] == (
        "Somebody has changed mode or owner of this file of the agent: "
        f"it had 0755 {uid}:{gid}, and has {right:04o} {uid}:{gid} again."
    )
    sealed = severity == "warning"
    assert found["problem"]["effect"] == (SEALED if sealed else "")
    assert found["problem"]["fix"] == (BEGIN_AGAIN if sealed else f"See it: stat {path}")
    tunnel.apply()
    assert told_once(tunnel)["since"] == found["since"]
    tunnel.clock.advance(hours=25)
    tunnel.apply()
    assert told(tunnel) == []


def test_a_key_in_service_that_others_may_read_is_closed_at_the_next_look(tunnel):
    live = tunnel.live("tunnel")
    live.chmod(0o755)
    (live / "tunnel.pem").chmod(0o644)
    tunnel.clock.advance(minutes=16)
    tunnel.apply()
    assert (mode(live), mode(live / "tunnel.pem")) == (0o700, 0o600)
    assert sorted(codes(told(tunnel))) == [
        ("appliance", str(live), "warning", "status.modes"),
        ("appliance", str(live / "tunnel.pem"), "warning", "status.modes"),
    ]


@pytest.mark.parametrize("place", ["", "tunnel.pem"])
def test_a_key_that_others_could_read_is_told_until_another_one_is_in_service(tunnel, place):
    path = tunnel.live("tunnel").resolve() / place
    path.chmod(0o755)
    tunnel.clock.advance(minutes=16)
    tunnel.apply()
    found = told_once(tunnel)
    assert codes([found]) == [("appliance", str(path), "warning", "status.modes")]
    assert found["problem"]["effect"] == "Others could read what holds private keys meanwhile."
    assert found["problem"]["fix"] == (
        "If others use this machine, have new keys made: chainwright reissue --all; in place of uploaded chains, upload others"
    )
    tunnel.clock.advance(minutes=1)
    tunnel.change(reissue)
    tunnel.apply()
    assert told(tunnel) == []


@pytest.mark.root
def test_an_owner_that_was_changed_is_repaired(tunnel):
    os.chown(tunnel.layout.master_key, 65534, 65534)
    tunnel.apply()
    assert (tunnel.layout.master_key.stat().st_uid, tunnel.layout.master_key.stat().st_gid) == (0, 0)
    assert "it had 0600 65534:65534, and has 0600 0:0 again." in told_once(tunnel)["problem"]["cause"]


def test_a_link_in_the_place_of_a_file_is_not_followed(tunnel):
    outside = tunnel.root / "outside"
    outside.write_text("")
    outside.chmod(0o644)
    (tunnel.layout.private / "link").symlink_to(outside)
    tunnel.apply()
    assert mode(outside) == 0o644


@pytest.mark.root
def test_a_restore_with_other_owners_and_modes_is_repaired_everywhere(tunnel):
    layout = tunnel.layout
    live = tunnel.live("tunnel").resolve()
    places = [layout.state, layout.modules, layout.private, layout.master_key, layout.database, layout.lock, layout.run]
    places += [live.parent, live, *(path for path in live.rglob("*") if not path.is_symlink())]
    before = {path: (mode(path), path.stat().st_uid, path.stat().st_gid) for path in places}
    for path in places:
        os.chown(path, 65534, 65534)
        path.chmod(0o777)
    tunnel.clock.advance(minutes=16)
    tunnel.apply()
    assert {path: (mode(path), path.stat().st_uid, path.stat().st_gid) for path in places} == before
    assert {str(path) for path in places} <= {each["subject"] for each in told(tunnel)}


@pytest.mark.root
def test_another_name_of_a_file_that_is_not_the_agents_is_left_alone_and_told(tunnel):
    outside = tunnel.root / "shadow"
    outside.write_text("of somebody else")
    outside.chmod(0o644)
    planted = tunnel.layout.private / "planted"
    os.link(outside, planted)
    tunnel.apply()
    assert mode(outside) == 0o644
    [found] = [each for each in told(tunnel) if each["subject"] == str(planted)]
    assert found["problem"]["cause"].endswith("can't be repaired: it is another name of a file elsewhere.")
    assert found["severity"] == "error"


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tunnel):
    pipe = tunnel.layout.private / "pipe"
    os.mkfifo(pipe, 0o644)
    tunnel.apply()
    assert mode(pipe) == 0o600


def test_what_a_run_that_was_killed_has_left_half_made_is_removed_and_nothing_else(tunnel):
    layout = tunnel.layout
    left = [
        layout.private / ".root-1.sealed.new",
        layout.private / ".master.key.0123456789abcdef",
        layout.run / ".clock.new",
    ]
    kept = [layout.private / ".notes", layout.private / ".young.new", layout.root / ".else.new"]
    for path in (*left, *kept):
        path.touch()
        os.utime(path, (1, 1)) if path.name != ".young.new" else None
    (layout.private / ".directory.new").mkdir()
    tunnel.apply()
    (layout.etc / "conf.d").mkdir(exist_ok=True)  # so that there is something to look at
    tunnel.apply()
    assert [path for path in left if path.exists()] == []
    assert [path for path in (*kept, layout.private / ".directory.new") if not path.exists()] == []
