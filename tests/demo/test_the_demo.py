"""The demo appliance as somebody meets it who has just cloned the repository."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.demo.ca import configured_ports, settings_file
from agent.demo.modules import HOST_NAME
from agent.demo.processes import WebUI, end_all
from agent.system.layout import Layout
from plugins.webui.pid_file import PID_FILE
from support.appliances.sstp import find_sstpd
from support.clients.api import Client
from support.ports import free_port
from support.processes.daemon import Agent
from support.processes.demo import NOHUP, SITES, Demo
from support.waiting import until

ABSENT = "no-such-program"
needs_nginx = pytest.mark.usefixtures("nginx")
needs_ca = pytest.mark.usefixtures("nginx", "ca_programs")


@pytest.fixture
def nginx():
    assert shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), "install nginx-light, as ./test does"


@pytest.fixture
def ca_programs():
    assert shutil.which("pebble"), "install pebble, as ./test does"
    assert shutil.which("pebble-challtestsrv")


@pytest.fixture
def place():
    """A directory of a short name: below it stand sockets."""
    with TemporaryDirectory(prefix="cw-") as directory:
        yield Path(directory)


@pytest.fixture
def demo(place):
    return Demo(place / "var")


@pytest.fixture
def bare(place):
    """A demo on a machine without nginx."""
    return Demo(place / "var", ABSENT)


@pytest.fixture
def certified(place):
    """A demo on a machine that has Pebble."""
    return Demo(place / "var", pebble="pebble")


@needs_nginx
def test_it_serves_the_web_interface_and_every_site_with_chains_of_its_own_root(demo):
    with demo.up(str(demo.port)) as running:
        assert running.urls("webui") == [f"https://localhost:{demo.port}/"]
        assert "<title>Log in - Chainwright</title>" in demo.fetch(running.urls("webui")[0])
        sites = running.urls("reverse_proxy")
        assert [url.partition("//")[2].partition(".")[0] for url in sites] == SITES
        for url in sites:
            host = url.removeprefix("https://").rstrip("/")
            assert demo.fetch(url) == f"This is {host}, asked for over https and answered by the demo.\n"


@needs_nginx
@pytest.mark.parametrize(
    ("password", "page", "says"), [("demo", "/done", "You are online."), ("x", "/failed", "wrong")]
)
def test_it_shows_a_login_page_beside_the_sites_on_one_nginx(demo, password, page, says):
    with demo.up(str(demo.port)) as running:
        (url,) = running.urls("web_auth")
        assert url.rpartition(":")[2] == running.urls("reverse_proxy")[0].rpartition(":")[2]
        assert "<h1>Sign in</h1>" in demo.fetch(url)
        assert '"captive": true' in curl(demo, f"{url}captive-portal/api")
        form = ("--data", f"user=a&password={password}", "--write-out", "%{redirect_url}")
        assert curl(demo, *form, f"{url}login") == url.rstrip("/") + page
        assert says in curl(demo, url.rstrip("/") + page)


def curl(demo: Demo, *arguments: str) -> str:
    """Ask with curl, every name on this machine, and nothing trusted but the demo's roots."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--connect-to", "::127.0.0.1:"]
    command += ["--cacert", str(demo.root / "roots.pem"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


@needs_nginx
def test_the_commands_that_it_prints_work_as_printed(demo):
    with demo.up(str(demo.port)) as running:
        assert len(running.curls()) == 3
        for line in running.curls():
            done = subprocess.run(shlex.split(line), capture_output=True, timeout=30, check=False, cwd="/")
            assert (done.returncode, done.stdout != b"") == (0, True), line


@needs_nginx
def test_it_says_in_about_ten_lines_where_things_are_and_what_it_did(demo):
    with demo.up(str(demo.port)) as running:
        assert len(running.lines) <= 15
        assert running.lines[0] == f"Demo appliance, its state is in {demo.root}"
        assert running.lines[4] == (
            'Its own root "gateway.example.test Root CA" has signed 5 chains, seen to be served by reverse_proxy, web_auth '
            "and webui."
        )


@needs_nginx
def test_it_prints_a_new_one_time_password_at_each_start_until_one_is_chosen(demo):
    with demo.up(str(demo.port)) as running:
        (said,) = [line for line in running.lines if line.startswith("Log in as admin with the one-time password ")]
        password = said.split()[8]
        client = Client(demo.layout.api).of_browser
        reply = client.post("/v1/session", {"user": "admin", "password": password})
        assert (reply.status, reply.json["must_change"]) == (201, True)
        assert password not in (demo.layout.log / "agent.daemon.log").read_text()
        running.ends()
    with demo.up() as running:
        (said,) = [line for line in running.lines if line.startswith("Log in as admin with the one-time password ")]
        second = said.split()[8]
        client = Client(demo.layout.api).of_browser
        assert client.post("/v1/session", {"user": "admin", "password": password}).code == "people.login_refused"
        opened = client.post("/v1/session", {"user": "admin", "password": second}).json["token"]
        assert (
            Client(demo.layout.api)
            .bearing(opened)
            .post("/v1/password", {"old": second, "new": "four plain words here"})
            .status
            == 200
        )
        running.ends()
    with demo.up() as running:
        (said,) = [line for line in running.lines if line.startswith("Log in as admin ")]
        assert said.startswith("Log in as admin with the password that you chose (forgotten: ")
        assert said.endswith(" webui password --one-time admin).")


def sockets(demo):
    """Return the sockets and pipes in the agent's `run/`."""
    return [each for each in demo.layout.run.rglob("*") if each.is_socket() or each.is_fifo()]


@needs_nginx
def test_every_process_ends_with_it_and_the_state_stays(demo):
    with demo.up(str(demo.port)) as running:
        assert len(demo.processes()) >= 2
        root = (demo.root / "root.pem").read_text()
        (demo.layout.run / "dovecot").mkdir()
        os.mkfifo(demo.layout.run / "dovecot" / "left-behind")
        assert sockets(demo)
        assert running.ends() == 0
        assert demo.processes() == []
        assert list(demo.layout.run.glob("*.pid")) == []
        assert sockets(demo) == []
        assert running.lines[-1] == f"Stopped. The state stays in {demo.root}"
    with demo.up():
        assert (demo.root / "root.pem").read_text() == root


@needs_nginx
def test_it_is_up_again_as_before_after_its_end(demo):
    with demo.up(str(demo.port)) as running:
        running.ends()
        urls = running.urls("reverse_proxy")
    with demo.up() as running:
        assert running.urls("webui") == [f"https://localhost:{demo.port}/"]
        assert running.urls("reverse_proxy") == urls
        for url in [*urls, *running.urls("webui")]:
            assert demo.fetch(url)


@needs_nginx
def test_what_a_killed_demo_has_left_is_ended_by_the_next_one(demo):
    with demo.up(str(demo.port)) as running:
        running.process.kill()
        running.process.wait()
        left = demo.processes()
        assert len(left) >= 2
        with demo.up() as again:
            assert again.lines[0] == "Ended what an earlier demo had left: nginx, webui."
            assert set(left).isdisjoint(demo.processes())
            for url in [*again.urls("reverse_proxy"), *again.urls("webui")]:
                assert demo.fetch(url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_when_it_is_told_to_or_when_its_terminal_goes(bare, number):
    with bare.up(str(bare.port)) as running:
        assert running.ends(number) == 0
        assert bare.processes() == []


def test_with_nohup_it_stays_when_its_terminal_goes(place):
    bare = Demo(place / "var", ABSENT, {NOHUP: "1"}, before=("nohup",))
    with bare.up(str(bare.port)) as running:
        running.process.send_signal(signal.SIGHUP)
        assert bare.call("apply").returncode == 0
        assert bare.fetch(running.urls("webui")[0])
        assert not running.over
        assert running.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_while_it_is_still_starting(bare, number):
    output = bare.root.parent / "starting.out"
    process = bare.start(output, str(bare.port))
    try:
        until(bare.layout.api.exists, seconds=40, what="it has begun")  # its first pass and its processes are to come
        process.send_signal(number)
        assert process.wait(60) == 0, output.read_text()
        assert bare.processes() == []
        assert output.read_text().splitlines()[-1] == f"Stopped. The state stays in {bare.root}"
    finally:
        process.kill()
        process.wait()
        end_all(bare.layout)


def test_a_second_demo_says_that_one_is_up_and_where(bare):
    with bare.up(str(bare.port)) as running:
        done = bare.call("demo")
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert lines[0].startswith(f"The demo is up already (pid {running.process.pid}, ")
        assert f"  webui          https://localhost:{bare.port}/" in lines
        assert bare.fetch(running.urls("webui")[0])


def test_a_demo_where_an_agent_is_up_is_refused(demo):
    demo.layout.run.mkdir(parents=True)
    with Agent(demo.layout) as agent:
        agent.passes("the agent starts")
        done = demo.call("demo")
        assert done.returncode == 5
        assert f"The agent is already running (pid {agent.process.pid}, chainwright run)." in done.stderr


def test_commands_work_beside_it(demo):
    with demo.up(str(demo.port)):
        assert demo.call("status").returncode == 0
        assert demo.call("apply").returncode == 0
        assert demo.call("root", "download").stdout == (demo.root / "root.pem").read_text()


def test_a_web_interface_that_dies_is_started_again(bare):
    with bare.up(str(bare.port)) as running:
        pid_file = bare.layout.rooted(PID_FILE)
        before = pid_file.read_text()
        os.kill(int(before), signal.SIGKILL)
        until(lambda: pid_file.read_text() != before, seconds=40, what="another process")
        until(lambda: bare.fetch(running.urls("webui")[0]), what="the page")


def test_a_web_interface_may_be_started_at_the_moment_when_that_is_said(place):
    layout = Layout(place)
    layout.log.mkdir(parents=True)
    layout.module("webui").live.mkdir(parents=True)
    seen = []
    webui = WebUI(layout, lambda: seen.append(webui.can_start), pause=0.0)
    assert not webui.start(), "nothing to serve"
    until(lambda: seen == [True])
    webui.stop()


# What it finds


def test_what_is_not_on_the_machine_is_named_with_the_way_to_get_it(bare):
    with bare.up(str(bare.port)) as running:
        assert running.urls("reverse_proxy") == []
        assert (
            "reverse_proxy is not shown: there is no no-such-program on this machine "
            "(apt-get install nginx-light, adds it)." in running.lines
        )
        assert bare.fetch(running.urls("webui")[0])


def test_commands_are_proposed_as_the_caller_types_them(place):
    demo = Demo(place / "var", ABSENT, {"CHAINWRIGHT_CALLED_AS": "./run"})
    with demo.up(str(demo.port)) as running:
        assert "  ./run status" in running.lines
        assert any("(./run --with-services, as root, adds it)" in line for line in running.lines)


@needs_nginx
def test_a_service_that_comes_later_is_shown_from_then_on(demo):
    bare = Demo(demo.root, ABSENT)
    with bare.up(str(bare.port)) as running:
        running.ends()
    with demo.up() as running:
        assert len(running.urls("reverse_proxy")) == len(SITES)


def test_ports_that_are_taken_are_replaced_once_and_for_all(bare):
    with socket.socket() as other:
        other.bind(("127.0.0.1", bare.port))
        other.listen()
        with bare.up(str(bare.port)) as running:
            chosen = running.urls("webui")[0]
            assert chosen != f"https://localhost:{bare.port}/"
            assert any(line.startswith(f"Port {bare.port} is taken; the web interface got ") for line in running.lines)
            running.ends()
    with bare.up() as running:
        assert running.urls("webui") == [chosen]


def test_another_port_can_be_asked_for_later(bare):
    with bare.up(str(bare.port)) as running:
        running.ends()
    other = free_port()
    with bare.up(str(other)) as running:
        assert running.urls("webui") == [f"https://localhost:{other}/"]
        assert bare.fetch(running.urls("webui")[0])


def test_settings_that_were_changed_by_hand_are_left_alone(bare):
    with bare.up(str(bare.port)) as running:
        running.ends()
    file = bare.layout.conf_d / "webui.toml"
    file.write_text(text := f"# mine\n{file.read_text()}")
    with bare.up(str(free_port())) as running:
        assert running.urls("webui") == [f"https://localhost:{bare.port}/"]
        assert f"--port has no effect: {file} was changed by hand, so change it there." in running.lines
    assert file.read_text() == text


def test_settings_with_a_mistake_are_named_on_the_terminal(bare):
    with bare.up(str(bare.port)) as running:
        running.ends()
    bare.layout.settings.write_text("nonsense = 1\n")
    with bare.up() as running:
        assert "nonsense" in running.text
        assert bare.fetch(f"https://localhost:{bare.port}/"), "what was deployed is still served"


def test_it_keeps_away_from_the_machine_s_own_directories(place):
    script = (
        "from pathlib import Path; from agent.demo import demo; "
        "from agent.system.layout import Layout; demo(Layout(Path('/')))"
    )
    output = place / "out"
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-P", "-c", script], cwd=place, stdout=file, stderr=file)
    try:
        until(lambda: "\nCtrl-C" in output.read_text(), seconds=60, what="the guide")
        assert output.read_text().startswith(f"Demo appliance, its state is in {place}/chainwright-demo\n")
    finally:
        process.terminate()
        assert process.wait(60) == 0, output.read_text()


# Its CA


def ca_roots(demo):
    return sorted((demo.layout.trust).glob("pebble-*.pem"))


def is_certified(demo, url):
    """Whether what is served at `url` ends in a root of the CA, which is all that is trusted here."""
    roots = demo.root.parent / "ca-roots.pem"
    roots.write_bytes(b"".join(path.read_bytes() for path in ca_roots(demo)))
    try:
        return bool(demo.fetch(url, trust=roots))
    except OSError:
        return False


def all_certified(demo, running):
    return all(is_certified(demo, url) for url in [*running.urls("reverse_proxy"), *running.urls("web_auth")])


@needs_ca
def test_local_chains_are_replaced_by_those_of_its_ca(certified):
    with certified.up(str(certified.port)) as running:
        until(lambda: all_certified(certified, running), seconds=60, what="the CA's chains")
        assert len(running.lines) <= 15
        assert running.lines[5].startswith("Its CA, a Pebble at https://127.0.0.1:")
        assert certified.call("status").stdout.count(" acme ") == len(SITES) + 1
        assert certified.fetch(running.urls("webui")[0]), "the address has a chain of the own root"


@needs_ca
def test_the_commands_that_it_prints_work_whoever_signed_what_is_served(certified):
    with certified.up(str(certified.port)) as running:
        for line in running.curls():
            subprocess.run(shlex.split(line), capture_output=True, timeout=30, check=True)
        until(lambda: all_certified(certified, running), seconds=60, what="the CA's chains")
        for line in running.curls():
            subprocess.run(shlex.split(line), capture_output=True, timeout=30, check=True)


@needs_ca
def test_its_ca_ends_with_it_and_the_chains_stay(certified):
    with certified.up(str(certified.port)) as running:
        until(lambda: all_certified(certified, running), seconds=60, what="the CA's chains")
        assert running.ends() == 0
        assert certified.processes() == []
        roots = ca_roots(certified)
    with certified.up() as running:
        assert all_certified(certified, running), "chains of a CA that has forgotten them are as good as before"
        assert len(ca_roots(certified)) == len(roots) + 1


@needs_ca
def test_a_ca_that_has_forgotten_the_account_gets_it_again(certified):
    with certified.up(str(certified.port)) as running:
        until(lambda: all_certified(certified, running), seconds=60, what="the CA's chains")
        running.ends()
    with certified.up() as running:
        for path in set(ca_roots(certified)) - {max(ca_roots(certified), key=lambda path: path.stat().st_mtime)}:
            path.unlink()
        assert not all_certified(certified, running)
        done = certified.call("reissue", f"www.{HOST_NAME}")
        assert done.returncode == 0, done.stderr
        until(lambda: any(is_certified(certified, url) for url in running.urls("reverse_proxy")), seconds=60)


@needs_ca
def test_roots_that_sign_nothing_any_more_are_forgotten(certified):
    certified.layout.trust.mkdir(parents=True)
    for name in ["pebble-0123ab.pem", "company.pem"]:
        (certified.layout.trust / name).write_text("")
    with certified.up(str(certified.port)):
        assert not (certified.layout.trust / "pebble-0123ab.pem").exists()
        assert (certified.layout.trust / "company.pem").exists()


@needs_ca
def test_what_a_killed_demo_has_left_of_its_ca_is_ended(certified):
    with certified.up(str(certified.port)) as running:
        running.process.kill()
        running.process.wait()
        with certified.up() as again:
            assert again.lines[0] == "Ended what an earlier demo had left: nginx, pebble-challtestsrv, pebble, webui."
            until(lambda: all_certified(certified, again), seconds=60, what="the CA's chains")


@needs_ca
def test_a_ca_is_asked_that_comes_to_the_machine_later(demo):
    with demo.up(str(demo.port)) as running:
        assert (
            "It has no CA: there is no no-such-pebble on this machine (apt-get install pebble, adds it)."
            in running.lines
        )
        running.ends()
    later = Demo(demo.root, pebble="pebble")
    with later.up() as running:
        until(lambda: all_certified(later, running), seconds=60, what="the CA's chains")


@needs_ca
def test_without_a_reverse_proxy_the_agent_itself_answers_the_ca(place):
    bare = Demo(place / "var", ABSENT, pebble="pebble")
    with bare.up(str(bare.port)) as running:
        assert running.lines[3].startswith("Its CA, a Pebble at https://127.0.0.1:")


@needs_ca
def test_a_ca_whose_port_is_taken_is_named_and_all_else_is_up(certified):
    with certified.up(str(certified.port)) as running:
        running.ends()
    ports = configured_ports(certified.layout)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", ports.directory))
        other.listen()
        with certified.up() as running:
            assert f"Its CA does not come up, see {certified.layout.log / 'pebble.log'}" in running.lines
            assert certified.fetch(running.urls("webui")[0])


@needs_ca
@pytest.mark.parametrize(
    "text", ['[acme]\ndirectory = "https://ca.example.test/dir"\n', "[acme]\ncontact = []\n", "nonsense", "acme = 1"]
)
def test_settings_that_name_another_ca_are_left_alone(certified, text):
    with certified.up(str(certified.port)) as running:
        running.ends()
    settings_file(certified.layout).write_text(text)
    with certified.up() as running:
        assert not [line for line in running.lines if "CA" in line.replace("Root CA", "")]
        assert not (certified.layout.run / "pebble.pid").exists()


# SSTP


@pytest.fixture
def tunnelling(place):
    """A demo on a machine with nothing but sstp-server."""
    return Demo(place / "var", ABSENT, sstpd=find_sstpd())


def test_sstp_is_served_by_a_private_sstp_server_and_seen_to_be(tunnelling):
    with tunnelling.up(str(tunnelling.port)) as running:
        (place_of_it,) = running.urls("sstp")
        assert place_of_it.startswith(f"vpn.{HOST_NAME}:")
        assert "seen to be served by sstp and webui." in running.text
        (row,) = [
            each for each in json.loads(tunnelling.call("status", "--json").stdout)["modules"] if each["name"] == "sstp"
        ]
        assert row["state"] == "ok"
        assert len(running.curls()) == 1, "a browser finds nothing at SSTP"
        assert (tunnelling.layout.run / "sstpd.pid").exists()
        assert running.ends() == 0
        assert tunnelling.processes() == []
    with tunnelling.up() as running:
        assert running.urls("sstp") == [place_of_it]
        assert "seen to be served by sstp and webui." in running.text


def test_without_sstp_server_it_is_said_how_to_get_it(bare):
    with bare.up(str(bare.port)) as running:
        assert (
            "sstp is not shown: there is no no-such-sstpd on this machine (the installation in docs/modules/sstp.md, adds it)."
            in running.lines
        )


# IKEv2


@pytest.mark.root
def test_ikev2_is_served_by_a_private_charon_and_seen_to_be(place):
    demo = Demo(place / "var", ABSENT, charon="charon-systemd")
    with demo.up(str(demo.port)) as running:
        assert "seen to be served by ikev2 and webui." in running.text
        rows = {each["name"]: each for each in json.loads(demo.call("status", "--json").stdout)["modules"]}
        assert rows["ikev2"]["state"] == "ok"
        assert (demo.layout.conf_d / "ikev2.toml").stat().st_mode & 0o777 == 0o600
        assert len(running.curls()) == 1, "a browser finds nothing at IKEv2"
        assert running.ends() == 0
        assert demo.processes() == []
        assert sockets(demo) == []
    with demo.up() as running:
        assert "seen to be served by ikev2 and webui." in running.text


def test_without_strongswan_it_is_said_how_to_get_it(bare):
    with bare.up(str(bare.port)) as running:
        (line,) = [each for each in running.lines if each.startswith("ikev2 is not shown")]
        assert line.endswith("(apt-get install charon-systemd libcharon-extauth-plugins, adds it).")
