"""Who can read what, tried by real users."""

import fcntl
import grp
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from support.appliances.proxied import NGINX, OWN, SITES, Proxied
from support.paths import CHECKOUT, PROCESSES
from support.ports import free_port
from support.processes.tree import children
from support.waiting import until

NOBODY = 65534
TREES = ("etc/chainwright", "var/lib/chainwright", "var/log/chainwright", "run/chainwright")

WEBUI = """
[modules.webui]
domain = "gw.example.test"
listen = "127.0.0.1:{port}"
run_as = "{user}"
[services.webui]
manager = "commands"
"""
SECRET = """
[root]
organization = "stands for a secret"
"""


@contextmanager
def changing_users() -> Iterator[None]:
    """One at a time: useradd does not wait for its lock."""
    with (Path(tempfile.gettempdir()) / "chainwright-test-users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def users() -> Iterator[tuple[str, str]]:
    """Two system users: the web interface's and that of nginx's workers."""
    found = tuple(f"cw-test-{os.getpid()}-{part}" for part in ("web", "proxy"))
    with changing_users():
        for name in found:
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", name], check=True, timeout=60)
    yield found
    with changing_users():
        for name in found:
            subprocess.run(["userdel", name], check=True, timeout=60)


@dataclass(frozen=True)
class Box:
    """An appliance as root makes it, and its two users."""

    proxied: Proxied
    web: str
    proxy: str

    def paths(self, want) -> list[str]:
        """Return what is below the trees of the agent, as root sees it, without links."""
        found = [path for tree in TREES for path in (self.root / tree).rglob("*")]
        trees = [self.root / tree for tree in TREES]
        return sorted(str(path) for path in (*trees, *found) if want(path) and not path.is_symlink())

    @property
    def root(self) -> Path:
        return self.proxied.root

    def tried(self, user: int, group: int) -> dict[str, set[str]]:
        """Return what somebody can read, load as a server, and write, relative to the root."""
        paths = {"files": self.paths(Path.is_file), "directories": self.paths(Path.is_dir)}
        argv = [sys.executable, str(PROCESSES / "reading.py"), str(user), str(group)]
        answer = subprocess.run(
            argv, input=json.dumps(paths), stdout=subprocess.PIPE, text=True, check=True, timeout=60
        )
        rows = json.loads(answer.stdout)
        return {what: {str(Path(path).relative_to(self.root)) for path in found} for what, found in rows.items()}

    def tried_by(self, name: str) -> dict[str, set[str]]:
        entry = pwd.getpwnam(name)
        return self.tried(entry.pw_uid, entry.pw_gid)

    def below(self, tree: str) -> set[str]:
        """Return the files below a directory, relative to the root."""
        return {path for path in map(self._relative, self.paths(Path.is_file)) if path.startswith(f"{tree}/")}

    def _relative(self, path: str) -> str:
        return str(Path(path).relative_to(self.root))


@pytest.fixture
def box(users) -> Iterator[Box]:
    """Three sites behind nginx, the web interface, a secret in the settings, an answer to a challenge."""
    web, proxy = users
    more = WEBUI.format(port=free_port(), user=web)
    with Proxied.make(service={**OWN, "user": proxy}, more=more) as proxied:
        proxied.configure()
        proxied.layout.conf_d.mkdir()
        write(proxied.layout.conf_d / "secret.toml", SECRET, 0o600)
        proxied.bring_up()
        proxied.renew()
        proxied.apply()
        write(proxied.layout.webroot / "token", "token.thumbprint", 0o644)
        yield Box(proxied, web, proxy)


def write(path: Path, text: str, mode: int) -> None:
    path.write_text(text)
    path.chmod(mode)


# What everybody may read: the settings but for those that the administrator closed, the answers to HTTP-01 challenges,
# and the numbers of processes.
PUBLIC = {
    "etc/chainwright/chainwright.toml",
    "var/lib/chainwright/http-01/token",
    "run/chainwright/nginx.pid",
}


@pytest.mark.root
def test_somebody_who_has_nothing_to_do_with_it_reads_what_is_public_and_nothing_else(box):
    tried = box.tried(NOBODY, NOBODY)
    assert tried["read"] == PUBLIC
    assert tried["loaded"] == set()
    assert tried["written"] == set()


@pytest.mark.root
def test_the_web_interfaces_user_reads_its_own_generations_and_nothing_else(box):
    tried = box.tried_by(box.web)
    own = box.below("var/lib/chainwright/modules/webui")
    assert tried["read"] - PUBLIC == own
    assert {path.split("/", 6)[6] for path in own} == {
        "generation.json",
        "address/fullchain.pem",
        "address/key.pem",
        "name/fullchain.pem",
        "name/key.pem",
    }
    assert tried["loaded"] == {path for path in own if path.endswith("fullchain.pem")}
    assert tried["written"] == set()


@pytest.mark.root
def test_nginxs_workers_read_what_is_public_and_serve_the_sites_all_the_same(box):
    tried = box.tried_by(box.proxy)
    assert tried["read"] == PUBLIC
    assert tried["loaded"] == set()
    kinds = ("client-body", "proxy", "fastcgi", "scgi", "uwsgi")
    assert tried["written"] == {f"run/chainwright/nginx-{kind}" for kind in kinds}
    workers = children(box.proxied.master)
    assert {Path(f"/proc/{worker}").stat().st_uid for worker in workers} == {pwd.getpwnam(box.proxy).pw_uid}
    box.proxied.assert_served(*SITES)


@pytest.mark.root
def test_debians_own_user_of_nginx_reads_nothing_more(box):
    assert box.tried_by("www-data")["read"] == PUBLIC


def expected(web: str) -> dict[str, tuple[int, str, str]]:
    """Return mode, owner and group by place; ``*`` stands for one part of a path."""
    state, modules = "var/lib/chainwright", "var/lib/chainwright/modules"
    root = ("root", "root")
    return {
        state: (0o711, *root),
        modules: (0o711, *root),
        f"{state}/services": (0o711, *root),
        f"{state}/http-01": (0o755, *root),
        f"{state}/private": (0o700, *root),
        f"{state}/private/copies": (0o700, *root),
        f"{state}/private/copies/*": (0o600, *root),
        f"{state}/private/*": (0o600, *root),
        f"{modules}/webui": (0o711, *root),
        f"{modules}/webui/*": (0o750, "root", web),
        f"{modules}/webui/*/generation.json": (0o640, "root", web),
        f"{modules}/webui/*/*": (0o750, "root", web),
        f"{modules}/webui/*/*/fullchain.pem": (0o640, "root", web),
        f"{modules}/webui/*/*/key.pem": (0o640, "root", web),
        f"{modules}/reverse_proxy": (0o711, *root),
        f"{modules}/reverse_proxy/*": (0o700, *root),
        f"{modules}/reverse_proxy/*/*.conf": (0o640, *root),
        f"{modules}/reverse_proxy/*/sites": (0o700, *root),
        f"{modules}/reverse_proxy/*/sites/*.conf": (0o640, *root),
        f"{modules}/reverse_proxy/*/sites/*.fullchain.pem": (0o600, *root),
        f"{modules}/reverse_proxy/*/sites/*.key.pem": (0o600, *root),
        f"{state}/services/nginx": (0o711, *root),
        f"{state}/services/nginx/*": (0o700, *root),
        f"{state}/services/nginx/*/*": (0o640, *root),
        "var/log/chainwright": (0o750, *root),
        "run/chainwright": (0o755, *root),
    }


def actual(box: Proxied, places) -> dict[str, set[tuple[int, str, str]]]:
    """Return what is found at each place; the more exact places are not counted among those with a ``*``."""
    seen: set[Path] = set()
    found = {}
    for place in sorted(places, key=lambda each: each.count("*")):
        paths = {path for path in box.root.glob(place) if not path.is_symlink()} - seen
        seen |= paths
        statuses = [path.stat() for path in paths]
        found[place] = {
            (stat.S_IMODE(each.st_mode), pwd.getpwuid(each.st_uid).pw_name, grp.getgrgid(each.st_gid).gr_name)
            for each in statuses
        }
    return found


@pytest.mark.root
@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
def test_owners_groups_and_modes_are_what_the_design_says_whatever_the_umask_is(users, umask):
    web, proxy = users
    with Proxied.make(service={**OWN, "user": proxy}, more=WEBUI.format(port=free_port(), user=web)) as proxied:
        proxied.configure()
        before = os.umask(umask)
        try:
            proxied.apply()
            proxied.renew()
            proxied.apply()
        finally:
            os.umask(before)
        wanted = expected(web)
        assert actual(proxied, wanted) == {place: {row} for place, row in wanted.items()}


@pytest.mark.root
def test_everything_in_the_state_has_a_place_in_that_list(box):
    named = {path for place in expected(box.web) for path in box.root.glob(place)}
    state = box.root / "var/lib/chainwright"
    others = {path for path in state.rglob("*") if not path.is_symlink()} - named
    assert others == {state / "http-01/token"}


@pytest.mark.root
def test_a_group_that_does_not_exist_is_named_and_the_reverse_proxy_goes_on():
    with Proxied.make(more=WEBUI.format(port=free_port(), user="cw-test-nobody-has-this-name")) as proxied:
        proxied.configure()
        proxied.apply()
        problem = proxied.deployment("webui").problem
        assert "\n".join(problem.lines()) == (
            'webui: There is no group "cw-test-nobody-has-this-name" on this machine.\n'
            "What is in service was not changed. Create it, or name another one in the settings; "
            '"adduser --system --group cw-test-nobody-has-this-name" makes both.'
        )
        assert proxied.deployment("reverse_proxy").outcome is Outcome.WAITING
        assert list(proxied.layout.module("webui").state.glob("**/key.pem")) == []


# Without root


def readable_copy(target: Path) -> Path:
    """Copy what is read at any time, templates and plugins, as the checkout may be where nobody can read it."""
    for part in ("agent", "plugins", "templates"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / part, target / part, dirs_exist_ok=True, ignore=ignored)
    return target


def pass_as_nobody(proxied: Proxied, warm: Proxied) -> list[object]:
    warm.renew()
    argv = [sys.executable, str(PROCESSES / "unprivileged.py"), str(proxied.root), str(NOBODY), str(NOBODY)]
    argv += [str(warm.root), str(warm.clock.offset.total_seconds())]
    environment = {**os.environ, "HOME": "/nonexistent", "PYTHONPATH": str(readable_copy(warm.root / "source"))}
    answer = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60, env=environment)
    return json.loads(answer.stdout)["reverse_proxy"]


@pytest.mark.root
def test_without_root_it_all_works_with_the_callers_ownership():
    with Proxied.make() as warm, Proxied.make() as proxied:
        for each in (warm, proxied):
            each.configure()
        warm.bring_up()
        for path in (proxied.root, *proxied.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        outcome, lines = pass_as_nobody(proxied, warm)
        assert outcome == Outcome.WAITING, lines
        argv = [NGINX, "-e", "stderr", "-c", str(proxied.main_file)]
        subprocess.run(argv, check=True, timeout=30, user=NOBODY, group=NOBODY, extra_groups=[])
        until(lambda: proxied.master, what="nginx is up")
        assert pass_as_nobody(proxied, warm) == [Outcome.LIVE, []]
        proxied.configure(module={"max_body_mb": 7})
        assert pass_as_nobody(proxied, warm) == [Outcome.LIVE, []]
        assert "client_max_body_size 7m" in (proxied.live("reverse_proxy") / f"sites/{SITES[0]}.conf").read_text()
        state = proxied.layout.state
        assert {(path.lstat().st_uid, path.lstat().st_gid) for path in state.rglob("*")} == {(NOBODY, NOBODY)}
        keys = {stat.S_IMODE(path.stat().st_mode) for path in state.rglob("*key.pem")}
        generations = {stat.S_IMODE(path.stat().st_mode) for path in (state / "modules").glob("*/[0-9]*")}
        assert (keys, generations) == ({0o600}, {0o700})
        proxied.assert_served(*SITES)
