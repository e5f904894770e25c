"""An appliance whose source is the toy CA of `third_party/keen.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent.model.records import ChainRecord
from support.appliances.deployed import Deployed
from support.cas import certificates as toy_ca


class Keen:
    """The appliance, and the toy CA's end of it."""

    def __init__(self, appliance: Deployed) -> None:
        self.appliance = appliance
        self.desk = appliance.root / "desk"
        self.desk.mkdir()
        self.ca = root = toy_ca.root("Keen CA", now=appliance.clock())
        (self.desk / "ca.key").write_bytes(toy_ca.key_pem(root.key))
        (self.desk / "ca.pem").write_bytes(toy_ca.pem(root.certificate))
        appliance.drop_in("keen")

    def settings(
        self, names: Iterable[str] = (), alone: Iterable[str] = (), *, more: str = "", ladder: str = ""
    ) -> None:
        """Ask for one chain for `names` together, and one for each of `alone`."""
        listed = ladder or '"uploaded", "keen", "local"'
        source = f'[source.keen]\ndesk = "{self.desk}"\n{more}\n' if "keen" in listed else ""
        self.appliance.settings(
            f'hostname = "gw"\nplugins.keen.enabled = true\nsources = [{listed}]\n{source}'
            f"[modules.keen_files]\nnames = {json.dumps(list(names))}\nalone = {json.dumps(list(alone))}\n"
        )

    def rules(self, **rules: Any) -> None:
        """Say what the CA does from now on."""
        (self.desk / "ca.json").write_text(json.dumps(rules))

    def said(self, what: str) -> list[dict[str, Any]]:
        """Return what happened at the CA, as far as it was `what`."""
        place = self.desk / "log"
        rows = [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []
        return [row for row in rows if row["what"] == what]

    def forget(self) -> None:
        """Begin the log anew."""
        (self.desk / "log").unlink(missing_ok=True)

    @property
    def live(self) -> Path:
        """The module's files in service."""
        return self.appliance.live("keen_files")

    def bound(self) -> dict[str, ChainRecord]:
        """Return the chain that each slot is bound to."""
        with self.appliance.store() as store:
            records = {record.id: record for record in store.chains.records()}
            return {each.slot: records[each.chain] for each in store.modules.bindings() if each.chain}

    def sources(self) -> dict[str, str]:
        """Return the source of each slot's chain."""
        return {slot: record.source for slot, record in self.bound().items()}
