"""Real services that begin in the clear: each runs in the foreground with a toy certificate, until the block ends."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.ports import free_port
from support.servers.local import Material
from support.waiting import until

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), Path("postgres"))
DOMAIN = "gw.example.test"


@contextmanager
def running(argv: list[object], port: int, directory: Path, user: str = "") -> Iterator[int]:
    """Run a service, as `user` where these tests are root's, and yield its port once it takes connections."""
    with (
        (directory / "said").open("w+") as said,
        subprocess.Popen(
            [*as_user(user), *map(str, argv)], stdout=said, stderr=said, cwd=directory, start_new_session=True
        ) as process,
    ):
        try:
            until(lambda: process.poll() is not None or connects(port), what=(directory / "said").read_text)
            assert process.poll() is None, (directory / "said").read_text()
            yield port
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait(20)


def as_user(user: str) -> list[str]:
    """Return what goes before a command that doesn't run as root."""
    if not user or os.geteuid() != 0:
        return []
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--"]


def given_to(user: str, directory: Path) -> None:
    """Make a directory and what is in it a user's, where these tests are root's."""
    if os.geteuid() == 0:
        for path in (directory, *directory.rglob("*")):
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def connects(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def files(directory: Path, material: Material) -> tuple[Path, Path]:
    """Copy the chain and its key, as most services want to own them."""
    chain, key = directory / "chain.pem", directory / "key.pem"
    chain.write_bytes(material.chain_file.read_bytes())
    key.write_bytes(material.key_file.read_bytes())
    key.chmod(0o600)
    return chain, key


@contextmanager
def postgres(directory: Path, material: Material, *, tls: bool = True) -> Iterator[int]:
    port = free_port()
    chain, key = files(directory, material)
    given_to("postgres", directory)
    initdb = [*as_user("postgres"), POSTGRES.with_name("initdb"), "-D", directory / "data", "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=directory)
    options = [
        *("-p", port, "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={directory}"),
        *("-c", f"ssl={'on' if tls else 'off'}", "-c", f"ssl_cert_file={chain}", "-c", f"ssl_key_file={key}"),
    ]
    with running([POSTGRES, "-D", directory / "data", *options], port, directory, "postgres") as found:
        yield found


@contextmanager
def slapd(directory: Path, material: Material, *, tls: bool = True) -> Iterator[int]:
    port = free_port()
    chain, key = files(directory, material)
    secured = f"TLSCACertificateFile {chain}\nTLSCertificateFile {chain}\nTLSCertificateKeyFile {key}\n" if tls else ""
    (directory / "slapd.conf").write_text(f"{secured}pidfile {directory}/pid\ndatabase config\n")
    argv = ["/usr/sbin/slapd", "-d", "0", "-f", directory / "slapd.conf", "-h", f"ldap://127.0.0.1:{port}/"]
    with running(argv, port, directory) as found:
        yield found


@contextmanager
def vsftpd(directory: Path, material: Material, *, tls: bool = True) -> Iterator[int]:
    port = free_port()
    chain, key = files(directory, material)
    settings = {
        "listen": "YES",
        "listen_address": "127.0.0.1",
        "listen_port": port,
        "background": "NO",
        "run_as_launching_user": "NO" if os.geteuid() == 0 else "YES",
        "anonymous_enable": "YES",
        "ssl_enable": "YES" if tls else "NO",
        "rsa_cert_file": chain,
        "rsa_private_key_file": key,
        "require_ssl_reuse": "NO",
        "ssl_ciphers": "HIGH",
        "seccomp_sandbox": "NO",
        "isolate": "NO",
        "isolate_network": "NO",
        "secure_chroot_dir": directory,
        "ftpd_banner": "toy",
    }
    (directory / "vsftpd.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    with running(["/usr/sbin/vsftpd", directory / "vsftpd.conf"], port, directory) as found:
        yield found


@contextmanager
def prosody(directory: Path, material: Material, *, tls: bool = True) -> Iterator[tuple[int, int]]:
    """Run an XMPP server; yield the ports for clients and for other servers."""
    port, servers = free_port(), free_port()
    chain, key = files(directory, material)
    given_to("prosody", directory)
    (directory / "prosody.cfg.lua").write_text(
        f"""
        pidfile = "{directory}/pid"
        data_path = "{directory}"
        run_as_root = false
        modules_enabled = {{ {'"tls", ' if tls else ""}"saslauth", "roster", "dialback" }}
        c2s_ports = {{ {port} }}
        s2s_ports = {{ {servers} }}
        interfaces = {{ "127.0.0.1" }}
        log = {{ {{ levels = {{ min = "warn" }}, to = "console" }} }}
        VirtualHost "{DOMAIN}"
            ssl = {{ certificate = "{chain}", key = "{key}" }}
        """
    )
    argv = ["/usr/bin/prosody", "--config", directory / "prosody.cfg.lua", "-F"]
    with running(argv, port, directory, "prosody") as found:
        until(lambda: connects(servers), what="the port for servers")
        yield found, servers


@contextmanager
def managesieve(directory: Path, material: Material, *, tls: bool = True) -> Iterator[int]:
    port = free_port()
    chain, key = files(directory, material)
    (directory / "dovecot.conf").write_text(
        f"""
        base_dir = {directory}/run
        state_dir = {directory}/state
        log_path = /dev/stderr
        protocols = sieve
        ssl = {"yes" if tls else "no"}
        ssl_cert = <{chain}
        ssl_key = <{key}
        service managesieve-login {{
          inet_listener sieve {{
            address = 127.0.0.1
            port = {port}
          }}
          chroot =
        }}
        service anvil {{
          chroot =
        }}
        service stats {{
          chroot =
        }}
        passdb {{
          driver = static
          args = nopassword=y
        }}
        userdb {{
          driver = static
          args = uid=nobody gid=nogroup home={directory}
        }}
        """
    )
    with running(["/usr/sbin/dovecot", "-F", "-c", directory / "dovecot.conf"], port, directory) as found:
        yield found
