"""The command `chainwright`: what every command takes, how it ends, and that data and messages don't mix."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.cli.output import columns
from agent.cli.program import COMMANDS, Program, run
from agent.cli.words import seen, shortened
from agent.daemon.wakeup import Wakeup
from agent.errors.problem import rfc3339
from agent.system.lock import held
from agent.system.poke import poke
from agent.system.spans import span, when
from plugins.webui.pid_file import PID_FILE
from support.appliances.deployed import served
from support.clients.terminal import CONFIG_APPLY, PROGRAM, Terminal
from support.ports import free_port
from support.processes import prepared
from support.waiting import until

TRACEBACK = "Traceback (most recent call last)"


@pytest.fixture
def terminal(appliance) -> Terminal:
    """A terminal on an empty appliance."""
    return Terminal(appliance.root)


@pytest.fixture
def up(tunnel) -> Terminal:
    """A terminal on an appliance whose one module is served."""
    return Terminal(tunnel.root)


def helped(terminal: Terminal) -> str:
    """Return the help of an appliance: ``--help`` ends the reading of the command line."""
    return prepared.run([*PROGRAM[1:], "--root", terminal.root, "--help"]).stdout


def every_command() -> list[list[str]]:
    """Return the words by which each built-in command is called."""
    context = click.Context(Program(), info_name="chainwright")
    commands = {name: Program().get_command(context, name) for name in COMMANDS}
    return [[name, *words] for name, command in commands.items() for words in inside(command)]


def inside(command: click.Command | None) -> list[list[str]]:
    """Return the words that follow a command: none where it stands by itself."""
    if not isinstance(command, click.Group):
        return [[]]
    own = [[]] if command.invoke_without_command else []
    return own + [[name, *words] for name, each in sorted(command.commands.items()) for words in inside(each)]


# Help


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_takes_root_and_json(words, capsys, tmp_path):
    assert run("chainwright", [*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: chainwright {' '.join(words)}")
    assert f"$ chainwright {' '.join(words)}" in text.partition("Example:")[2]
    assert "--root" in text
    assert "--json" in text


def test_without_a_command_the_help_is_shown_and_nothing_else_happens(terminal):
    done = subprocess.run(PROGRAM, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(f"\n  {name} " in done.stderr for name in COMMANDS)


def test_the_version_is_that_of_the_distribution(capsys):
    assert run("chainwright", ["--version"]) == 0
    assert re.fullmatch(r"chainwright \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


# What was seen, and when


def test_the_status_says_how_old_what_was_seen_is(tunnel, up):
    assert "tunnel(" not in up.run("status").stdout
    with tunnel.store() as store, store.write():
        before = datetime.now(UTC) - timedelta(minutes=12)
        store.endpoints.update([replace(each, checked_at=before) for each in store.endpoints.all()])
    assert "tunnel(seen 12 minutes ago)" in up.run("status").stdout


# What every command takes


def test_root_is_taken_before_the_command_and_after_it(up):
    def shown(*words: str) -> str:
        return prepared.run([*PROGRAM[1:], *words]).stdout

    root = str(up.root)
    subject = up.json("root", "show")["root"]["subject"]
    for words in (
        ["--root", root, "root", "show"],
        ["root", "show", "--root", root],
        ["root", f"--root={root}", "show"],
    ):
        assert subject in shown(*words), words
    assert subject in shown("--root", "/nowhere", "root", "show", "--root", root)


def test_every_command_that_looks_prints_one_json_object_with_its_schema(up):
    (chain,) = up.json("status")["chains"]
    for words in (
        ["plan"],
        ["apply"],
        ["apply", "--dry-run"],
        ["boot"],
        ["explain", "tunnel"],
        ["show", chain["id"][:8]],
        ["render", "tunnel"],
        ["config", "check"],
        ["config", "show"],
        ["plugins"],
        ["root", "show"],
        ["root", "download"],
        ["events"],
        ["completion", "bash"],
    ):
        assert up.json(*words)["schema"] == 1, words


def test_no_private_key_is_ever_printed(up):
    for words in (["render", "tunnel"], ["show", "t.example.test"], ["explain", "tunnel"], ["config", "show"]):
        for more in ([], ["--json"]):
            done = up.run(*words, *more)
            assert done.returncode == 0
            assert "PRIVATE KEY" not in done.stdout + done.stderr


def test_status_as_json_names_what_is_served_where(up, tunnel):
    found = up.json("status")
    (chain,) = found["chains"]
    assert chain["status"] == "local_by_design"
    (use,) = chain["used_by"]
    assert (use["module"], use["slot"], use["deployment"]) == ("tunnel", "default", "live")
    (record,) = tunnel.records()
    assert use["endpoints"] == [
        {
            "address": f"127.0.0.1:{tunnel.port}",
            "server_name": "t.example.test",
            "served_sha256": served(tunnel.port, "t.example.test"),
            "ok": True,
            "seen_at": rfc3339(record.checked_at),
        }
    ]
    renewal = datetime.fromisoformat(chain["next_action_at"]) - datetime.fromisoformat(chain["not_before"])
    lifetime = datetime.fromisoformat(chain["not_after"]) - datetime.fromisoformat(chain["not_before"])
    assert abs(renewal - 2 * lifetime / 3) < timedelta(minutes=10)


# How it ends


def test_an_unfinished_order_ends_with_3_and_the_next_run_goes_on(appliance, terminal):
    appliance.drop_in("tunnel")
    appliance.drop_in("slow")
    appliance.settings(
        'hostname = "gw"\nsources = ["slow", "local"]\nplugins.slow.enabled = true\n'
        "[source.slow]\nfailures = 1\nretry_seconds = 3600\n"
        f'[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n'
    )
    done = terminal.run("apply")
    assert done.returncode == 3
    assert "t.example.test: The CA is busy. Next try in 60 minutes." in done.stderr
    (chain,) = terminal.json("status")["chains"]
    assert (chain["status"], chain["source"], chain["problem"]["cause"]) == (
        "local_fallback",
        "local",
        "The CA is busy.",
    )
    assert terminal.run("status").returncode == 3
    assert "slow   The CA is busy, next try" in re.sub(
        r"\s+1 slow +", " slow   ", terminal.run("explain", "tunnel").stdout
    )


def test_a_run_that_finds_the_lock_held_ends_with_5_and_names_the_holder(up, tunnel):
    (tunnel.root / "etc/chainwright/conf.d").mkdir()  # so that there may be something to do
    with held(tunnel.layout.lock, wait=0):
        done = up.run("apply", "--no-wait")
        assert done.returncode == 5
        assert re.match(r"Error: \S+lock: Another run holds the lock \(pid \d+, .*\)\.\n", done.stderr)
        assert up.run("apply", "--wait", "0.1").returncode == 5
        for command in (["apply"], ["renew"], ["reissue", "--all"]):  # the default would be a minute
            assert up.run(*command, "--timeout", "0.1").returncode == 5
        assert up.run("boot").returncode == 5
        assert json.loads(up.run("apply", "--no-wait", "--json").stdout)["problem"]["code"] == "store.lock_held"
        assert up.run("status").returncode == 0
    assert up.run("apply", "--no-wait").returncode == 0


def test_what_was_not_foreseen_is_one_line_and_a_traceback_only_where_it_is_asked_for(up, tunnel):
    (tunnel.layout.plugins / "boom.py").write_text(BOOM)
    tunnel.layout.settings.write_text("plugins.boom.enabled = true\n" + tunnel.layout.settings.read_text())
    done = up.run("boom", "now")
    assert done.returncode == 1
    assert done.stderr == (
        "Error: An unexpected error: ZeroDivisionError: division by zero.\n"
        "Put --debug right after chainwright to see the traceback, and report it.\n"
    )
    assert TRACEBACK in up.run("--debug", "boom", "now").stderr


BOOM = """
from chainwright import hookimpl

@hookimpl
def register_commands(commands, appliance):
    @commands.command("now")
    def now():
        1 / 0
"""


def test_a_reader_that_goes_away_early_is_no_error(up):
    command = " ".join([f"'{word}'" if " " in word else word for word in PROGRAM])
    line = f"{command} --root {up.root} events --limit 10000 --json | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_config_apply_is_apply(up):
    done = up.run(program=CONFIG_APPLY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Nothing to do.")
    assert up.run("--help", program=CONFIG_APPLY).stdout.startswith("Usage: config-apply")


# Data and messages


def test_apply_prints_progress_on_stderr_and_its_result_on_stdout(appliance, terminal):
    appliance.drop_in("tunnel")
    appliance.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')
    done = terminal.run("apply")
    assert re.fullmatch(r"Done: 3 actions\. Next: in \d+ seconds\.\n", done.stdout)
    assert "t.example.test: local delivered a chain until" in done.stderr
    assert "\x1b" not in done.stderr


def test_apply_as_json_prints_nothing_else(appliance, terminal):
    appliance.drop_in("tunnel")
    appliance.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')
    done = terminal.run("apply", "--json")
    row = json.loads(done.stdout)
    assert done.stderr == ""
    assert len(row["performed"]) == 3
    assert row["unfinished"] is False
    assert row["status"]["chains"][0]["status"] == "waiting"


def test_on_a_terminal_there_are_colours_and_a_live_line(appliance, terminal):
    appliance.drop_in("tunnel")
    appliance.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')
    assert "\r\x1b[Ktunnel: check ..." in terminal.seen("apply")
    shown = terminal.seen("status")
    assert "\x1b[34mo waiting\x1b[0m" in shown


@pytest.mark.parametrize(
    ("words", "environment"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})], ids=str
)
def test_colours_can_be_switched_off(up, words, environment):
    assert "\x1b" not in up.seen(*words, "status", **environment)


def test_in_a_pipe_there_are_neither_colours_nor_cuts(up):
    assert "\x1b" not in up.run("status", COLUMNS="20").stdout
    assert "t.example.test" in up.run("status", COLUMNS="20").stdout


def test_root_download_prints_a_certificate_and_nothing_else(up):
    done = up.run("root", "download")
    certificate = x509.load_pem_x509_certificate(done.stdout.encode())
    assert done.stderr == ""
    assert done.stdout.startswith("-----BEGIN CERTIFICATE-----\n")
    assert done.stdout.endswith("-----END CERTIFICATE-----\n")
    assert certificate.fingerprint(hashes.SHA256()).hex() == up.json("status")["root"]["sha256"]
    place = up.root / "root.pem"
    written = up.run("root", "download", "--out", str(place))
    assert (written.stdout, place.read_text()) == ("", done.stdout)


# Commands that look


def test_events_are_followed_as_they_happen(up, tunnel):
    process = subprocess.Popen(
        [*PROGRAM, "events", "--follow", "--limit", "1", "--json", "--root", str(up.root)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    first = json.loads(process.stdout.readline())
    assert first["kind"] == "pass_ended"
    tunnel.settings(tunnel.layout.settings.read_text().replace("t.example", "u.example"))
    tunnel.apply()
    seen = []
    while "deployed" not in seen:
        seen.append(json.loads(process.stdout.readline())["kind"])
    process.terminate()
    process.wait(10)
    process.stdout.close()
    assert {"pass_started", "chain_stored", "step"} < set(seen)


def test_status_needs_neither_settings_nor_plugins_nor_anything_heavy(up, tunnel):
    (tunnel.layout.plugins / "tunnel.py").write_text("raise SystemExit")
    tunnel.apply()
    code = (
        "import sys; from agent.cli import main; main(['status', '--root', sys.argv[1]]); "
        "print([each for each in ('pydantic', 'cryptography', 'sqlite_utils', 'jinja2', 'pluggy') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(up.root)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_config_show_names_the_file_of_each_key(up, tunnel):
    shown = up.run("config", "show", "--origin").stdout
    assert f'hostname = "gw"  # {tunnel.layout.settings}' in shown
    assert "lifetime_days = 3650  # default" in shown


def test_a_plugin_that_is_broken_is_named_with_its_reason(up, tunnel):
    (tunnel.layout.plugins / "broken.py").write_text("import nothing_at_all\n")
    done = up.run("plugins")
    assert done.returncode == 0
    assert re.search(r"^broken +broken +", done.stdout, re.MULTILINE)
    reason = "Its import failed: ModuleNotFoundError: No module named 'nothing_at_all'."
    assert f"broken: {tunnel.layout.plugins}/broken.py:1: {reason}\n" in done.stdout
    tunnel.settings("plugins.broken.enabled = true\n" + tunnel.layout.settings.read_text())
    assert up.run("plugins").returncode == 3


def test_a_plan_changes_nothing(up, tunnel):
    tunnel.settings(tunnel.layout.settings.read_text().replace("t.example", "u.example"))
    before = up.json("status")["chains"]
    assert up.run("plan", "--exit-code").returncode == 10
    assert up.run("plan").returncode == 0
    assert up.json("status")["chains"] == before
    assert up.json("plan")["actions"][0]["names"] == ["u.example.test"]


def test_boot_makes_files_without_a_service_and_without_a_reload(appliance, terminal):
    appliance.drop_in("tunnel")
    appliance.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')
    done = terminal.run("boot")
    assert (done.returncode, done.stderr) == (0, "")
    assert "deploy tunnel: it has no generation yet\n" in done.stdout
    assert (appliance.live("tunnel") / "tunnel.pem").exists()


# Others


def test_apply_pokes_the_daemon(up, tunnel):
    tunnel.settings(tunnel.layout.settings.read_text().replace("t.example", "u.example"))
    assert not poke(tunnel.layout)
    with Wakeup(tunnel.layout) as waking:
        assert up.run("apply").returncode == 0
        waking.wait(10)
        assert waking.poked()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell, capsys):
    assert run("chainwright", ["completion", shell]) == 0
    assert "_CHAINWRIGHT_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("chainwright sta", "status"),
        ("chainwright root down", "download"),
        ("chainwright --root {root} explain tun", "tunnel"),
        ("chainwright --root {root} explain tunnel def", "default"),
        ("chainwright --root {root} show t.ex", "t.example.test"),
        ("chainwright apply --dry", "--dry-run"),
        ("chainwright --root /nowhere show t.ex", ""),
    ],
)
def test_commands_options_and_names_are_completed(up, typed, found):
    words = typed.format(root=up.root)
    code = "from agent.cli.program import run; run('chainwright', [])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={
            "_CHAINWRIGHT_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
            "PATH": "/usr/bin:/bin",
        },
    )
    assert [line.partition(",")[2] for line in done.stdout.split()] == ([found] if found else [])


SIGNING = """
import click
from chainwright import hookimpl

@hookimpl
def register_commands(commands, appliance):
    @commands.command("sign")
    @click.argument("file", type=click.File("rb"))
    @click.argument("names", nargs=-1)
    def sign(file, names):
        "Sign a request."
        peer = appliance.sign(file.read(), names, module="tunnel", label="branch")
        click.echo(" ".join(peer.names))

    @commands.command("apply")
    def apply():
        return appliance.apply()

    @commands.command("count")
    def count():
        click.echo(len(appliance.status()["chains"]))
"""


def request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever")])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def test_the_commands_of_plugins_stand_beside_the_others_and_get_the_appliance(up, tunnel):
    (tunnel.layout.plugins / "branches.py").write_text(textwrap.dedent(SIGNING))
    tunnel.settings("plugins.branches.enabled = true\n" + tunnel.layout.settings.read_text())
    (tunnel.root / "branch.csr").write_bytes(request())
    assert "Commands of plugins:\n  branches  apply, count, sign" in helped(up)
    signed = up.run("branches", "sign", str(tunnel.root / "branch.csr"), "Branch.Example.test")
    assert (signed.returncode, signed.stdout) == (0, "branch.example.test\n")
    with tunnel.store() as store:
        (peer,) = store.database.query("select module, label, names, root from peers")
    assert (peer["module"], peer["label"], json.loads(peer["names"])) == ("tunnel", "branch", ["branch.example.test"])
    assert peer["root"] == up.json("status")["root"]["sha256"]
    assert up.run("branches", "count").stdout == "1\n"
    assert up.run("branches", "apply").returncode == 0
    refused = up.run("branches", "sign", str(tunnel.layout.settings), "a.example.test")
    assert (refused.returncode, TRACEBACK in refused.stderr) == (1, False)


def test_commands_of_a_plugin_that_fails_are_missed_by_name(up, tunnel):
    (tunnel.layout.plugins / "broken.py").write_text(BOOM.replace('@commands.command("now")', "1 / 0"))
    tunnel.settings("plugins.broken.enabled = true\n" + tunnel.layout.settings.read_text())
    done = up.run("broken", "now")
    assert done.returncode == 1
    assert "Its register_commands failed: ZeroDivisionError: division by zero." in done.stderr
    assert "broken  failed: Its register_commands failed" in helped(up)
    listed = up.run("plugins")
    assert listed.returncode == 3
    assert "Its register_commands failed: ZeroDivisionError: division by zero." in listed.stdout
    assert up.run("status").returncode == 0


def test_the_web_interface_needs_nothing_but_its_own_generation(appliance, terminal):
    port = free_port()
    pid_file = appliance.layout.rooted(PID_FILE)
    appliance.settings(
        'hostname = "gw"\naddresses = ["127.0.0.1"]\n[services.webui]\nmanager = "commands"\n[modules.webui]\n'
        f'listen = ["127.0.0.1:{port}"]\nrun_as = "{_group()}"\n'
    )
    assert terminal.run("apply").returncode == 0
    appliance.layout.settings.unlink()
    hidden = appliance.layout.private.rename(appliance.root / "hidden")
    command = [*PROGRAM[1:], "webui", "--root", appliance.root]
    with prepared.start(command, stderr=subprocess.DEVNULL) as process:
        until(pid_file.exists, what="the web interface is up")
        leaf = served(port)
        process.terminate()
        assert process.wait(20) == 0
    hidden.rename(appliance.layout.private)
    assert leaf in {chain["id"] for chain in terminal.json("status")["chains"]}


def _group() -> str:
    import grp
    import os

    return grp.getgrgid(os.getgid()).gr_name


# Words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "now"),
        (-0.4, "now"),
        (1, "in 1 second"),
        (90, "in 90 seconds"),
        (900, "in 15 minutes"),
        (-7200, "2 hours ago"),
        (130_000, "in 36 hours"),
        (90 * 86_400 - 5, "in 90 days"),
    ],
)
def test_instants_are_told_from_now(seconds, words):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert when(now + timedelta(seconds=seconds), now) == words


def test_a_length_is_told_in_a_unit_that_is_used_twice():
    assert [span(timedelta(hours=hours)) for hours in (1, 47, 48)] == ["60 minutes", "47 hours", "2 days"]


def test_names_are_shortened_with_their_number():
    assert [shortened(names) for names in (["a"], ["192.0.2.1", "a", "b"])] == ["a", "a +2"]


def test_columns_are_padded_by_what_is_seen_and_cut_where_the_terminal_ends():
    rows = [[click.style("x", fg="red"), "name", "users"], ["long", "n", "a, b, c, d"]]
    assert [click.unstyle(line) for line in columns(rows)] == ["x     name  users", "long  n     a, b, c, d"]
    assert columns(rows, 15)[1] == "long  n     ..."


def test_the_age_of_evidence_is_said_where_it_is_old():
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert seen(now - timedelta(seconds=100), now) == ""
    assert seen(now - timedelta(minutes=12), now) == "seen 12 minutes ago"
    assert seen(None, now) == "never seen"


def test_what_a_plugin_raised_is_shown_with_its_traceback_where_that_is_asked_for(up, tunnel):
    (tunnel.layout.plugins / "lacking.py").write_text("def find():\n    import nothing_like_this\n\nfind()\n")
    tunnel.layout.settings.write_text("plugins.lacking.enabled = true\n" + tunnel.layout.settings.read_text())
    told = "No module named 'nothing_like_this'"
    plain = up.run("plugins")
    assert (plain.returncode, "Traceback" in plain.stdout) == (3, False)
    assert told in plain.stdout
    lines = up.run("--debug", "plugins").stdout.splitlines()
    first = lines.index("      Traceback (most recent call last):")
    assert told in lines[first - 2]
    assert f'        File "{tunnel.layout.plugins}/lacking.py", line 2, in find' in lines
    assert "      ModuleNotFoundError: No module named 'nothing_like_this'" in lines
    place = f'      File "{tunnel.layout.plugins}/lacking.py", line 2, in find'
    for command in ("apply", "status"):
        plain, debugged = up.run(command), up.run("--debug", command)
        assert place not in plain.stdout + plain.stderr
        assert place in debugged.stdout + debugged.stderr
