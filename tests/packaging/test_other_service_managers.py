"""The agent and the web interface below OpenRC and s6: started, reloaded, started again and stopped by their own commands."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from plugins.webui.pid_file import PID_FILE
from support.paths import CHECKOUT
from support.ports import free_port

SETTINGS = """\
hostname = "gw"
addresses = ["127.0.0.1"]
sources = ["local"]
[services.webui]
manager = "commands"
[modules.webui]
listen = "127.0.0.1:{port}"
run_as = "root"
"""
PREPARED = """\
set -u
for place in /run /usr/local/sbin /var/log /var/lib {places}; do mount -t tmpfs none "$place" || exit; done
printf '#!/bin/sh\\nexec {python} -P -m agent --root {root} "$@"\\n' >/usr/local/sbin/chainwright
chmod 755 /usr/local/sbin/chainwright
PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
waited() {{ for _ in $(seq 300); do "$@" && return; sleep 0.1; done; echo "in vain: $*"; exit 1; }}
says() {{ grep -q "$2" "$1" 2>/dev/null; }}
another() {{ [ -s {pid_file} ] && [ "$(cat {pid_file})" != "$1" ]; }}
cd /
"""
USED = """\
waited another none
chainwright apply || echo "apply: $?"
{reload_web} >/dev/null 2>&1 || echo "reload of the web interface: $?"
{reload_agent} >/dev/null 2>&1 || echo "reload: $?"
waited says {agent_log} "because SIGHUP came"
waited says {web_log} "is in service"
first=$(cat {pid_file})
kill -9 "$first"
waited another "$first"
{{ {stop}; }} >/dev/null 2>&1 || echo "stop: $?"
[ ! -e {pid_file} ] || echo "the web interface goes on"
says {agent_log} "the agent ends" || echo "the agent goes on"
echo "all was tried"
"""
OPENRC = """\
for each in daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive init.d; do
    mkdir -p "/run/openrc/$each"
done
touch /run/openrc/softlevel
cp {checkout}/packaging/openrc/* /etc/init.d
sed -i '2i command_user=root:root; respawn_delay=1' /etc/init.d/chainwright-web # as /etc/conf.d/chainwright-web may say
for each in chainwright-boot chainwright chainwright-web; do
    rc-service "$each" start >/run/said 2>&1 || cat /run/said
    rc-service "$each" status 2>&1 | grep -q started || echo "$each is not started"
done
says /var/log/chainwright/boot.log "deploy webui" || cat /var/log/chainwright/boot.log
"""
S6 = """\
cp -r {checkout}/packaging/s6 /run/service
printf '#!/bin/sh\\nshift; exec "$@"\\n' >/usr/local/sbin/s6-setuidgid
printf '#!/bin/sh\\nfor each; do :; done\\nexec /usr/bin/install -d "$each"\\n' >/usr/local/sbin/install
chmod 755 /usr/local/sbin/*
s6-svscan /run/service &
"""
MANAGERS = {
    "OpenRC": (
        "/etc/init.d",
        OPENRC,
        {
            "reload_web": "rc-service chainwright-web reload",
            "reload_agent": "rc-service chainwright reload",
            "agent_log": "/var/log/chainwright/agent.log",
            "web_log": "/var/log/chainwright-web/webui.log",
            "stop": "rc-service chainwright-web stop && rc-service chainwright stop",
        },
    ),
    "s6": (
        "",
        S6,
        {
            "reload_web": "s6-svc -h /run/service/chainwright-web",
            "reload_agent": "s6-svc -h /run/service/chainwright",
            "agent_log": "/var/log/chainwright/s6/current",
            "web_log": "/var/log/chainwright-web/s6/current",
            "stop": "s6-svc -wD -T 30000 -d /run/service/chainwright-web && s6-svc -wD -T 30000 -d /run/service/chainwright",
        },
    ),
}


@pytest.mark.root
@pytest.mark.parametrize("manager", MANAGERS)
def test_both_are_run_by(manager):
    if not os.environ.get("CI") and subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("in this chroot nothing can be mounted that the machine outside does not see")
    places, begin, commands = MANAGERS[manager]
    with TemporaryDirectory(prefix="cw-") as directory:
        root = Path(directory)
        settings = root / "etc/chainwright/chainwright.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(SETTINGS.format(port=free_port()))
        where = {"root": root, "python": sys.executable, "checkout": CHECKOUT, "pid_file": root / PID_FILE[1:]}
        script = "".join(part.format(places=places, **where, **commands) for part in (PREPARED, begin, USED))
        # Places of the machine are its own there, and nothing outlives it.
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=110, check=False)
    said = [line for line in done.stdout.splitlines() if not line.startswith(("Done", "Nothing to do", "webui: "))]
    assert said == ["all was tried"], done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(each for each in (CHECKOUT / "packaging/s6").rglob("run")), ids=str)
def test_a_run_script_is_a_program_of_the_shell(path):
    assert path.stat().st_mode & 0o111 == 0o111
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
