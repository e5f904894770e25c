"""What needs no test at boot: it served before, byte for byte but for the directories that it names, and was tested then."""

from __future__ import annotations

from collections.abc import Mapping

from agent.deploy.deploy_context import DeployContext
from agent.deploy.differences import with_moved_parts
from agent.deploy.units import Candidate
from agent.model.deployment import Generation


def is_tested(
    context: DeployContext,
    candidate: Candidate,
    generations: Mapping[str, Generation],
    entries: Mapping[str, Generation],
) -> bool:
    """Whether a boot puts back what is in service. `generations` and `entries`: what was staged, by module and service."""
    if not context.boot:
        return False
    same = all(_is_same(context.live(name), new) for name, new in generations.items())
    return same and all(_is_moved(context, candidate, service, entry) for service, entry in entries.items())


def _is_same(live: Generation | None, new: Generation) -> bool:
    return live is not None and live.digest == new.digest


def _is_moved(context: DeployContext, candidate: Candidate, service: str, entry: Generation) -> bool:
    """Whether an entry differs from the one in service by the directories of its modules alone."""
    live, modules = context.live_entry(service), context.enabled.modules_of(service)
    before = {name: context.live_directory(name) for name in modules}
    if live is None or None in before.values() or not candidate.contexts.keys() >= before.keys():
        return False
    moved = {str(before[name]): str(candidate.contexts[name].directory) for name in before}
    texts = context.store.deployments.texts(file.text for file in live.files if file.text)
    return with_moved_parts(live, texts, moved).digest == entry.digest
