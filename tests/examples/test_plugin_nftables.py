"""The example of a firewall: nftables lets a CA in as long as a window is open."""

import shutil
import subprocess

import pytest

from agent.contract.challenge_window import ChallengeWindow
from chainwright.testing import check_plugin
from support.paths import CHECKOUT

PLUGIN = CHECKOUT / "examples/plugins/nftables/nftables.py"
NFT = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin")
ACCEPTED = "ct state established,related accept; meta mark and 0x10000000 == 0x10000000 accept;"
INPUT = f"type filter hook input priority filter; policy drop; {ACCEPTED}"
RULES = f"table inet filter {{ chain input {{ {INPUT} }}; }}"
LOOK = """
import socket, sys
server = socket.create_server(("127.0.0.1", 8080))
client = socket.socket()
client.settimeout(0.4)
try:
    client.connect(server.getsockname())
    print("open")
except TimeoutError:
    print("shut")
"""


def test_it_is_a_plugin_as_the_contract_wants_it():
    check_plugin(PLUGIN)


def commands(plugin, window_id: str, *families: str) -> tuple[str, str]:
    """Return what opens and closes a window at port 8080."""
    made = [
        plugin.challenge_window(
            ChallengeWindow(id=window_id, action=action, ports=(8080, 443), families=families, names=("a.test",))
        )
        for action in ("open", "close")
    ]
    return made[0].argv[1], made[1].argv[1]


@pytest.mark.root
@pytest.mark.skipif(NFT is None, reason="there is no nft")
def test_ports_are_open_until_the_last_window_is_closed():
    space: dict = {}
    exec(compile(PLUGIN.read_text(), str(PLUGIN), "exec"), space)
    plugin = space["Nftables"]()
    (one, ends_one), (other, ends_other) = commands(plugin, "1f", "ipv4", "ipv6"), commands(plugin, "2f", "ipv4")
    only_six, ends_six = commands(plugin, "3f", "ipv6")
    steps = [RULES, one, other, ends_one, ends_one, ends_other, only_six, ends_six]
    look = ["ip link set lo up"]
    for each in steps:
        look += [f"nft '{each}'", f"python3 -c '{LOOK}'"]
    script = "set -e\n" + "\n".join([*look, "nft list tables"])
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    *seen, tables = done.stdout.split("\n", len(steps))
    assert seen == ["shut", "open", "open", "open", "open", "shut", "shut", "shut"]
    assert tables == "table inet filter\n"
