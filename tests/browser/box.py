"""An appliance with its web interface as a process, and the local API's behind it; passes are made in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.auth import Accounts, Role
from agent.errors import AgentError
from agent.model.events import Event, EventKind
from agent.model.records import OrderRecord
from agent.pki.chain import Chain
from agent.store.instants import written
from plugins.webui.pid_file import PID_FILE
from support.appliances.deployed import Deployed
from support.cas.certificates import Party, root
from support.passwords import CHEAP
from support.ports import free_port
from support.processes import passes, prepared
from support.processes.api_supervisor import api_supervised
from support.waiting import until

HERE = Path(__file__).parent
PASSWORDS = {"admin": "a long pass phrase", "guest": "another pass phrase"}
CA = "R12"
CHECK = """#!/bin/sh
[ -e "$0.$1" ] && ! diff -rq "$2" "$3" >/dev/null || exit 0
cat "$0.$1" >&2
exit 1
"""

SETTINGS = """
hostname = "gw"
plugins.gateway.enabled = true
addresses = ["192.168.0.1"]
sources = {sources}
{acme}
[modules.webui]
listen = "127.0.0.1:{port}"
run_as = "root"
{webui}
[services.webui]
manager = "commands"
"""
ACME = """[acme]
directory = "https://127.0.0.1:{port}/directory"
preflight = false
"""
"""A CA on this machine that is not there."""


@dataclass
class Box(Deployed):
    """Use it as a context manager: `lay_out` it, then `open` it."""

    port: int = field(default_factory=free_port)
    sessions: dict[str, Any] = field(default_factory=dict)
    """What a browser keeps of the last session of each person."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shutil.copy(HERE / "gateway.py", self.layout.plugins)
        check = self.root / "bin/check"
        check.write_text(CHECK)
        check.chmod(0o755)
        (self.root / "observed").write_text("branch-1 branch-2")
        self._stack = ExitStack()
        self._agent = ExitStack()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def lay_out(self, modules: str = "", webui: str = "", *, acme: bool = False) -> None:
        """Write the settings and make all that needs no network."""
        ladder = ["uploaded", *(["acme"] if acme else []), "local"]
        values = {"sources": json.dumps(ladder), "acme": ACME.format(port=free_port()) if acme else ""}
        self.settings(SETTINGS.format(port=self.port, webui=webui, **values) + modules)
        self.pass_over()

    def pass_over(self) -> None:
        """Make a pass; nobody is asked."""
        self.engine().run_pass(wait=0, orders=False)

    def open(self) -> None:
        """Start the web interface and what answers it, and let the people in."""
        self.open_agent()
        log = self._stack.enter_context((self.root / "webui.log").open("ab"))
        pid_file = self.layout.rooted(PID_FILE)
        argv = ["-P", "-m", "agent", "--root", self.root, "webui"]
        process = prepared.start(argv, stdout=log, stderr=log)
        self.processes["webui"] = process
        until(lambda: pid_file.exists() or process.poll() is not None, what="the web interface is up")
        self.pass_over()  # it was not up when it was deployed
        with self.store() as store:
            people = Accounts(store, CHEAP)
            for name, password in PASSWORDS.items():
                people.add(name, Role.ADMIN if name == "admin" else Role.VIEWER, password, self.clock())

    def open_agent(self) -> None:
        log = self.root / "agent.daemon.log"
        self._agent.enter_context(api_supervised(self.layout, log, users=["root"]))
        self._agent.callback(_end, passes.start(self.layout))

    def close_agent(self) -> None:
        """Nobody answers the web interface any more."""
        self._agent.close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nobody answers the web interface meanwhile."""
        self.close_agent()
        try:
            yield
        finally:
            self.open_agent()

    def end_sessions(self, user: str) -> None:
        """End the sessions of somebody, as a new password does."""
        with self.store() as store:
            Accounts(store, CHEAP).set_password(user, PASSWORDS[user], self.clock())

    def passwords_given(self, ago: timedelta = timedelta()) -> None:
        """Let everybody who has logged in have given the password just now, or some time ago."""
        at = written(self.clock() - ago)
        with self.store() as store, store.write():
            store.database.execute("update sessions set password_at = ?", [at])

    def close(self) -> None:
        self._agent.close()
        super().close()
        self._stack.close()

    # What happened before

    def certified(self, *names: str, since: timedelta = timedelta(days=10)) -> str:
        """Let the CA have certified names some time ago; return the chain's id."""
        at = self.clock() - since
        authority = _authority(self.clock())
        leaf = authority.leaf(*names, now=at)
        chain = Chain.build(leaf.key, [leaf.certificate, authority.certificate], [])
        with self.store() as store, store.write():
            store.chains.add(chain, source="acme", now=at, request=self.request(*names))
        return chain.id

    def failed(self, names: Iterable[str], error: AgentError, *, attempts: int = 1) -> None:
        """Let the last try at the CA have failed."""
        record = OrderRecord(
            request=self.request(*names),
            source="acme",
            attempts=attempts,
            retry_at=error.problem.retry_at,
            problem=error.problem.to_json(),
            permanent=error.problem.retry_at is None,
            settings_digest=self._acme_digest(),
        )
        with self.store() as store, store.write():
            store.orders.failed(record)

    def _acme_digest(self) -> str:
        from agent.engine.unchanged_settings import load_settings

        return load_settings(self.layout)[0].rungs["acme"].settings_digest

    def refuses(self, module: str, text: str) -> None:
        """Let a module's service refuse whatever it is given from now on."""
        (self.root / f"bin/check.{module}").write_text(text)

    def ordered(self, *names: str) -> None:
        """Let this process have an order under way."""
        with self.store() as store, store.write():
            request, begun = self.request(*names), self.clock() - timedelta(seconds=42)
            assert store.orders.lease(request, "acme", self.clock())
            about = {"source": "acme", "names": list(names), "request": request}
            store.journal.add(Event(at=begun, kind=EventKind.ORDER_STARTED, text="it is wanted", detail=about))
            store.journal.add(
                Event(at=self.clock(), kind=EventKind.ORDER_STEP, text="the CA looks at 0 of 1 names", detail=about)
            )

    def renew(self) -> None:
        """Show that what is under way still is."""
        with self.store() as store, store.write():
            store.orders.renew(self.clock())

    def ended(self, *names: str, at: datetime) -> None:
        """Let the chains for these names have ended since the last pass."""
        with self.store() as store, store.write():
            for binding in store.modules.bindings():
                if binding.slot in names:
                    store.database.execute(
                        "update chains set not_after = ? where id = ?", [f"{at:%Y-%m-%dT%H:%M:%SZ}", binding.chain]
                    )

    # What there is

    def bound(self, slot: str) -> str:
        """Return the id of the chain that a slot is bound to."""
        with self.store() as store:
            return next(each.chain or "" for each in store.modules.bindings() if each.slot == slot)

    def source(self, slot: str) -> str:
        """Return where the chain of a slot came from."""
        bound = self.bound(slot)
        with self.store() as store:
            return next(each.source for each in store.chains.records() if each.id == bound)

    def uploaded(self) -> set[str]:
        """Return the ids of the chains that were uploaded."""
        with self.store() as store:
            return {each.id for each in store.chains.records() if each.source == "uploaded"}

    def signer(self) -> str:
        """Return the SHA-256 of the root that signs."""
        with self.store() as store:
            found = store.roots.present()
        assert found
        return found.sha256

    def request(self, *names: str) -> str:
        """Return the id of the request for these names."""
        with self.store() as store:
            return next(each.request.id for each in store.modules.needs() if set(each.names) == set(names))


def _end(process: prepared.Process) -> None:
    process.terminate()
    process.wait()


def _authority(now: datetime) -> Party:
    return root("Toy Root X1", now=now - timedelta(days=100), days=3650).authority(
        CA, organization="Let's Encrypt", now=now - timedelta(days=100), days=400
    )
