"""What is told of an appliance, by each of those who tell it."""

from __future__ import annotations

from typing import Any

from support.appliances.deployed import Deployed
from support.clients.api import Client
from support.clients.terminal import Terminal
from support.processes.api import ApiProcess


def told(appliance: Deployed, api: Client | None = None) -> list[dict[str, Any]]:
    """Return the findings of an appliance, when `status`, its exit code, its JSON and the API have said the same."""
    if api is None:
        with ApiProcess(appliance.layout) as process:
            return told(appliance, process.root)
    terminal = Terminal(appliance.root)
    as_text, as_json = terminal.run("status"), terminal.json("status")
    found: list[dict[str, Any]] = as_json["findings"]
    answer = api.get("/v1/status").json
    assert [_outline(each) for each in answer["findings"]] == [_outline(each) for each in found]
    degraded = any(each["severity"] != "notice" for each in found)
    assert as_text.returncode == (3 if degraded else 0), as_text.stderr
    assert (as_json["degraded"], answer["degraded"]) == (degraded, degraded)
    assert as_json["summary"] == answer["summary"]
    for each in found:
        assert each["problem"]["cause"] in as_text.stdout
        assert each["problem"]["fix"] in as_text.stdout
    return found


def codes(found: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return kind, subject, severity and code of findings."""
    return [(each["kind"], each["subject"], each["severity"], each["problem"]["code"]) for each in found]


def _outline(finding: dict[str, Any]) -> list[Any]:
    """Return what is told without a path of the agent's own files, which the API keeps back."""
    return [finding["kind"], finding["severity"], finding["since"], finding["problem"]["code"]]
