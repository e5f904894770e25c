"""(c) One site's chain among many changes: the whole deploy, beside `nginx -t` and a reload by hand.

Both nginx have the same configuration and the same number of chains; both are timed until a handshake shows the new chain.
python bench/one_chain.py [SITES] [TIMES]
"""

import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable

from appliance import Appliance, Prepared, appliance, free_port, head, interleaved, process, row, site, timed, wait_for
from bare_ca import pair

from agent.engine.engine import Engine
from agent.operations.locked_state import locked_state
from agent.operations.reissue import reissue
from agent.system.layout import Layout

PAUSE = 0.02


def presented(port: int, name: str) -> str:
    """Return the SHA-256 of the leaf."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()


class ByHand:
    """A copy of the appliance's nginx that knows nothing of Chainwright."""

    def __init__(self, made: Appliance, sites: int, port: int) -> None:
        self.root = made.root.parent / "b"
        self.port = free_port()
        shutil.copytree(made.root, self.root, symlinks=True, ignore=shutil.ignore_patterns("*.sock", "*.pid"))
        plain, other = made.plain_port, free_port()
        changes = [(str(made.root), str(self.root)), (f":{port}", f":{self.port}"), (f":{plain}", f":{other}")]
        for file in (self.root / "var/lib/chainwright").rglob("*.conf"):
            text = file.read_text()
            for old, new in changes:
                text = text.replace(old, new)
            file.write_text(text)
        self.name = site(sites // 2)
        live = self.root / "var/lib/chainwright/modules/reverse_proxy/live/sites"
        self.chain, self.key = live / f"{self.name}.fullchain.pem", live / f"{self.name}.key.pem"
        self.argv = (
            "/usr/sbin/nginx",
            "-e",
            "stderr",
            "-c",
            f"{self.root}/var/lib/chainwright/services/nginx/live/nginx.conf",
        )
        subprocess.run(self.argv, check=True)

    def test(self) -> None:
        subprocess.run((*self.argv, "-t"), check=True, capture_output=True)

    def change(self) -> None:
        """Write a new chain, test, reload, and probe."""
        key, chain, wanted = pair(self.name)
        for path, data in ((self.key, key), (self.chain, chain)):
            path.with_suffix(".new").write_bytes(data)
            path.with_suffix(".new").rename(path)
        self.test()
        os.kill(int((self.root / "run/chainwright/nginx.pid").read_text()), signal.SIGHUP)
        while presented(self.port, self.name) != wanted:
            time.sleep(PAUSE)


def main(sites: int, times: int) -> None:
    with appliance() as made:
        port = made.proxy(sites, start=True)
        first = timed(process(*made.command("apply")))
        operations = ByHand(made, sites, port)
        wait_for(lambda: presented(operations.port, operations.name))
        before = presented(port, site(sites // 2))
        engine = Engine(Layout(made.root))

        def asked() -> None:
            with locked_state(engine) as state:
                reissue(state, [site(sites // 2)])

        def marked(run: Callable[[], object]) -> Callable[[], object]:
            """Time only what follows after somebody has asked for a new chain."""
            return Prepared(asked, run)

        taken = interleaved(
            times,
            by_hand=operations.change,
            command=marked(process(*made.command("apply"))),
            resident=marked(engine.apply),
        )
        assert presented(port, site(sites // 2)) != before
        apart = interleaved(times, test=operations.test)
    head(f"one chain among {sites} sites", "by hand")
    row("nginx -t and a reload by hand", taken["by_hand"], taken["by_hand"])
    row("of which nginx -t", apart["test"], taken["by_hand"])
    row("chainwright apply, as a command", taken["command"], taken["by_hand"])
    row("the same in a process that is up", taken["resident"], taken["by_hand"])
    print(f"  (the first apply, which started nginx: {first:.1f} s)")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given or [1000, 7])[:1], *(given[1:] or [7]))
