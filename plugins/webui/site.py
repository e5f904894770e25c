"""Generation that the web interface serves."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from chainwright import AgentError
from plugins.webui.generation import load_generation
from plugins.webui.tls import SlotContext

log = logging.getLogger("chainwright.webui")


class Site:
    """Generation in service: one reference, swapped as a whole."""

    def __init__(self, live: Path) -> None:
        self.live = live
        self.generation = load_generation(live, rescue=True)
        for slot, context in self.generation.contexts.items():
            if context.chain.instead_of:
                log.error("slot %s falls back to %s: %s", slot, context.chain.slot, context.chain.refused)

    def choose(self, server_name: str | None) -> SlotContext:
        """Return the context for an SNI value."""
        return self.generation.choose(server_name)

    def reload(self) -> None:
        """Take the generation that `live` names now, or say why not and keep the one in service."""
        try:
            self.generation = load_generation(self.live)
        except AgentError as error:
            reason = " ".join(error.problem.lines())
            log.error("reload refused: %s Generation %d stays in service.", reason, self.generation.number)
        else:
            log.info("generation %d is in service", self.generation.number)

    def catch_up(self) -> None:
        """Reload if `live` was switched before the process could be told."""
        if not self._is_live:
            self.reload()

    @property
    def can_be_loaded_again(self) -> bool:
        """Whether another process would serve the same: what is in service may be gone from the disk, or refused by now."""
        try:
            return self._is_live and load_generation(self.live, rescue=True).number == self.generation.number
        except AgentError:
            return False

    @property
    def _is_live(self) -> bool:
        return Path(os.path.realpath(self.live)) == self.generation.directory
