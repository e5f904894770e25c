"""An appliance whose API answers, with an administrator and somebody who may only look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.auth import Accounts, Role
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.encoding import Part, encode
from support.appliances.deployed import Deployed, served
from support.clients.api import Client, Reply
from support.passwords import CHEAP
from support.ports import free_port
from support.processes.api import ApiProcess
from support.waiting import until

NAME = "t.example.test"
ANN = "four plain words here"
VIC = "words that look around"


@dataclass
class Box:
    """One appliance: the module `tunnel`, whose daemon runs and serves t.example.test."""

    appliance: Deployed
    api: ApiProcess
    admin: Client
    viewer: Client

    def chain(self) -> str:
        """Return the id of the chain that the tunnel is bound to."""
        with self.appliance.store() as store:
            (binding,) = store.modules.bindings()
            assert binding.chain is not None
            return binding.chain

    def ends(self, reply: Reply, state: str = "done") -> dict[str, Any]:
        """Wait for the job that an answer names; return it."""
        assert reply.status == 202, reply
        assert reply.headers["location"] == f"/v1/jobs/{reply.json['job']}"

        def job() -> dict[str, Any]:
            return self.viewer.get(f"/v1/jobs/{reply.json['job']}").json

        until(lambda: job()["state"] != "running", seconds=60, what="the job has ended")
        assert job()["state"] == state, job()
        return job()

    def wire(self) -> str:
        """Return the SHA-256 of the leaf that the tunnel presents."""
        return served(self.appliance.port, NAME)

    def audit(self) -> list[tuple[str, str, str, str]]:
        """Return who did what to what, from where: the newest first."""
        with self.appliance.store() as store:
            return [(row.who, row.action, row.subject, row.address) for row in Accounts(store).audits()]


def bought(*names: str, days: float = 365) -> Chain:
    """Return a chain of somebody else's CA."""
    now = datetime.now(UTC)
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    return root.issue(names or (NAME,), KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=days))


def pem_of(chain: Chain, *, key: bool = True) -> bytes:
    parts = [Part.FULLCHAIN, Part.ROOT]
    return encode(chain, [Part.KEY, *parts] if key else parts)


def make_people(appliance: Deployed) -> None:
    now = datetime.now(UTC)
    with appliance.store() as store:
        accounts = Accounts(store, CHEAP)
        accounts.add("ann", Role.ADMIN, ANN, now)
        accounts.add("vic", Role.VIEWER, VIC, now)


def make_tunnel(appliance: Deployed) -> None:
    appliance.drop_in("tunnel")
    appliance.port = free_port()
    appliance.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {appliance.port}\ndomain = "t.example.test"\n'
    )
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()


def box_at(appliance: Deployed) -> Iterator[Box]:
    make_tunnel(appliance)
    make_people(appliance)
    with ApiProcess(appliance.layout, web=(os.geteuid(),), jobs="done") as api:
        yield Box(appliance, api, api.log_in("ann", ANN), api.log_in("vic", VIC))
        assert "Traceback" not in api.log
