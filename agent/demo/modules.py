"""The modules that the demo shows where their service is found on the machine, each with its settings file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.demo.ports import ANYWHERE, LOOPBACK, Place, Transport
from agent.demo.ppp import PPPD

SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Not on the PATH of an ordinary user."""
ROOT = "@root@"
"""Placeholder in a settings file for the directory of the demo."""
UPSTREAM = "127.0.0.2"
"""What is sent here, the demo answers itself. Every 127.0.0.0/8 address is this machine's (RFC 6890)."""
WORKERS_USER = 'user = "root" # of the workers: the user who runs the demo\n'
PORTAL_GROUP = 'workers_group = "root" # as conf.d/reverse_proxy.toml says of the workers\n'
HOST_NAME = "gateway.example.test"


@dataclass(frozen=True, slots=True)
class DemoModule:
    """A module that needs programs."""

    module: str
    program: str
    package: str
    """Package that has it; more than one where `also` takes further ones."""
    places: tuple[Place, ...]
    """Where it is to listen."""
    settings: Callable[[str, tuple[int, ...]], str]
    """`(path of the program, ports) -> text of the settings file`, with `ROOT` for the directory of the demo."""
    installation: str = ""
    """What brings the program, where no package has it."""
    pages: bool = True
    """Whether a browser finds something there."""
    also: tuple[str, ...] = ()
    """Further programs that it needs."""
    as_root: bool = False
    """Whether only root can start its service."""
    gives_up_rights: bool = False
    """Whether its processes are then users of their own, who have to get to the state."""
    mode: int = 0o644
    """Of the settings file; a password may stand in it."""
    programs: tuple[tuple[str, str], ...] = ()
    """Programs that the demo writes into its directory: name and text."""


def find_program(name: str) -> str | None:
    """Return the absolute path of a program, also where only root's PATH has it."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_PROGRAMS))
    found = shutil.which(name, path=path)
    return os.path.abspath(found) if found else None  # noqa: PTH100 - a symbolic link is kept


def appliance_settings() -> str:
    """Return the main settings file."""
    return f"""\
# The demo appliance. "chainwright demo" wrote this file and those in conf.d/, a file a module, because there were none;
# they are yours to change, and stay as they are. After a change: chainwright apply
# A module is switched off by "enabled = false" in its table.

hostname = "{HOST_NAME}"
sources = ["uploaded", "local"] # no CA is asked, but where conf.d/acme.toml says so
"""


def webui_settings(port: int) -> str:
    """Return the settings of the web interface."""
    return f"""\
# The web interface.
[modules.webui]
listen = "{LOOPBACK}:{port}"
run_as = "root" # who may read its key; in the demo the user who runs it, when that is not root

[services.webui]
manager = "commands" # the demo keeps the process up; it is told of a new chain by a signal
"""


def _nginx_settings(program: str, ports: tuple[int, ...]) -> str:
    https, http, upstream = ports
    user = WORKERS_USER if os.geteuid() == 0 else ""
    return f"""\
# A reverse proxy on an nginx of its own; nothing of the system's nginx is touched.
[modules.reverse_proxy]
listen = "{LOOPBACK}:{https}"
listen_http = "{LOOPBACK}:{http}"

# A site has one chain for all its domains. What is sent to {UPSTREAM}, the demo answers itself.
[[modules.reverse_proxy.sites]]
domains = ["www.{HOST_NAME}"]
upstream = "http://{UPSTREAM}:{upstream}"

[[modules.reverse_proxy.sites]]
domains = ["shop.{HOST_NAME}", "cart.{HOST_NAME}"]
upstream = "http://{UPSTREAM}:{upstream}"

[[modules.reverse_proxy.sites]]
domains = ["intranet.{HOST_NAME}"]
upstream = "http://{UPSTREAM}:{upstream}"
redirect = false # served over HTTP as well

[services.nginx]
main = "own" # our main file, our folders
manager = "commands" # by signals, not by systemd
start = true # the agent may start it
binary = "{program}"
{user}worker_processes = 1
"""


def _portal_settings(_program: str, ports: tuple[int, ...]) -> str:
    https, http, upstream = ports
    group = PORTAL_GROUP if os.geteuid() == 0 else ""
    return f"""\
# The login page of a captive portal, on the nginx and the addresses of the reverse proxy.
[modules.web_auth]
domain = "login.{HOST_NAME}"
listen = "{LOOPBACK}:{https}"
listen_http = "{LOOPBACK}:{http}"
upstream = "http://{UPSTREAM}:{upstream}" # the demo lets everybody in whose password is "demo"
captive = true
{group}
[modules.web_auth.brand]
organization = "Chainwright demo"
"""


def _sstp_settings(program: str, ports: tuple[int, ...]) -> str:
    (port,) = ports
    return f"""\
# SSTP on an sstp-server of its own. Clients of this machine get a tunnel without a password: slirp does its PPP in user space.
[modules.sstp]
domain = "vpn.{HOST_NAME}"
listen = "{LOOPBACK}:{port}"

[services.sstp]
server = "sstp-server"
manager = "commands" # by its program, not by systemd
start = true # the agent may start it
binary = "{program}"
pppd = "{ROOT}/pppd"
"""


def _ikev2_settings(program: str, ports: tuple[int, ...]) -> str:
    ike, nat_t = ports
    return f"""\
# IKEv2 on a charon of its own, for this machine only. Clients can log in; there is no network behind it.
[modules.ikev2]
domain = "vpn.{HOST_NAME}"

[[modules.ikev2.connections]]
name = "road-warriors"
pools = ["10.88.0.0/24"]

[[modules.ikev2.users]]
name = "demo"
password = "demo"

# A site that has a certificate of the appliance's root: chainwright ikev2 sign north REQUEST --name north.example.test
[[modules.ikev2.branches]]
name = "north"
peer = "north.example.test"
local_ts = ["10.77.0.0/24"]
remote_ts = ["10.78.0.0/24"]

[services.strongswan]
main = "own" # our strongswan.conf; nothing of the system's strongSwan is touched
manager = "commands" # by its program, not by systemd
start = true # the agent may start it
binary = "{program}"
interfaces = ["lo"]
port = {ike}
port_nat_t = {nat_t}
"""


def _mail_settings(program: str, ports: tuple[int, ...]) -> str:
    dovecot = find_program("dovecot") or "/usr/sbin/dovecot"
    listeners = "\n".join(f'{listener} = "{LOOPBACK}:{port}"' for listener, port in zip(MAIL_PORTS, ports, strict=True))
    return f"""\
# Mail on a postfix and a dovecot of its own; nothing of the system's is touched. What they are sent stays on this machine.
[modules.mail]
hostname = "mail.{HOST_NAME}"
domains = ["post.{HOST_NAME}"] # told apart by the name that a client asks for
{listeners}

[services.postfix]
main = "own" # our main.cf and master.cf, our folders
manager = "commands" # by its own command, not by systemd
start = true # the agent may start it
programs = "{Path(program).parent}"

[services.dovecot]
main = "own"
manager = "commands"
start = true
binary = "{dovecot}"
version = "{dovecot_version(dovecot)}" # its settings have other names from 2.4 on
"""


def dovecot_version(program: str) -> str:
    """Return the version whose settings a dovecot reads, "2.3" or "2.4"; "2.3" where it does not say."""
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
        found = re.match(r"(\d+)\.(\d+)", said)
        if found and (int(found[1]), int(found[2])) >= (2, 4):
            return "2.4"
    return "2.3"


MAIL_PORTS = {
    "smtp": 8425,
    "submission": 8587,
    "smtps": 8465,
    "imap": 8143,
    "imaps": 8993,
    "pop3": 8110,
    "pop3s": 8995,
}
"""Protocols, which are also the names of the settings, with the ports that they would like to have."""
MAIL_PLACES = tuple(Place(port) for port in MAIL_PORTS.values())
NGINX_PLACES = (Place(8444), Place(8480), Place(8481, (UPSTREAM,)))
PORTAL_PLACES = (Place(8444), Place(8480), Place(8482, (UPSTREAM,)))
IKE_PLACES = tuple(Place(port, ANYWHERE, (Transport.UDP,)) for port in (15500, 15501))
"""charon binds every address, whatever interfaces it answers at."""
OFFERS = (
    DemoModule("reverse_proxy", "nginx", "nginx-light", NGINX_PLACES, _nginx_settings),
    DemoModule("web_auth", "nginx", "nginx-light", PORTAL_PLACES, _portal_settings),
    DemoModule(
        "ikev2",
        "charon-systemd",
        "charon-systemd libcharon-extauth-plugins",
        IKE_PLACES,
        _ikev2_settings,
        pages=False,
        as_root=True,
        mode=0o600,
    ),
    DemoModule(
        "sstp",
        "sstpd",
        "slirp socat",
        (Place(8445),),
        _sstp_settings,
        pages=False,
        also=("slirp-fullbolt", "socat", "setpriv", "prlimit"),
        programs=(("pppd", PPPD),),
        installation="the installation in docs/modules/sstp.md",
    ),
    DemoModule(
        "mail",
        "postfix",
        "postfix dovecot-imapd dovecot-pop3d",
        MAIL_PLACES,
        _mail_settings,
        pages=False,
        also=("dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/pop3"),
        as_root=True,
        gives_up_rights=True,
    ),
)
