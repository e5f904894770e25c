"""Differences between target and live generation, and renderings composed of some of them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath

from agent.contract.context import ChainFacts
from agent.model.deployment import Generation, ManifestFile, RefusedKind
from agent.rendering.render import Rendering, digest_of


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between target and live generation that can be taken into service without the others."""

    module: str
    slot: str
    """Empty: the module as a whole."""
    kind: RefusedKind
    subject: str
    """Id of the chain, or digest of the configuration."""


@dataclass(frozen=True)
class Target:
    """Target state of one module, beside its live generation."""

    module: str
    chains: Mapping[str, ChainFacts]
    """By slot."""
    rendering: Rendering
    live: Generation | None
    render: Callable[[Mapping[str, ChainFacts]], Rendering]
    """Renders the module with a part of `chains`."""
    texts: Callable[[Iterable[str]], Mapping[str, str]] = lambda _digests: {}
    """Reads texts of the live generation, by digest."""
    left_out: frozenset[str] = frozenset()
    """Slots that no composition has; "" is the module as a whole, which gets a generation without any file then."""
    earlier: Mapping[str, Generation] = field(default_factory=dict)
    """Slot -> generation whose configuration of it is taken in place of the live one; "" is that of the module as a whole."""

    def differences(self) -> list[Difference]:
        """Return the differences, chains before configurations: a typing error in a template must not delay a chain.

        The configuration of a module as a whole that has none in service comes first: without it, its slots are nothing.
        """
        chains = self.rendering.chains
        found = [
            Difference(self.module, slot, RefusedKind.CHAIN, chains[slot])
            for slot in chains
            if self._chain_differs(slot)
        ]
        slots = ("", *chains) if self._is_whole_new else (*chains, "")
        for slot in (*slots, *self._gone):  # removed slots last: what names them is changed before
            subject = self.configuration(slot)
            if subject:
                found.append(Difference(self.module, slot, RefusedKind.CONFIGURATION, subject))
        return found

    def configuration(self, slot: str) -> str:
        """Return the digest of a part's configuration if it differs from the one in service, else nothing.

        The digest of a new part includes its chain, so that a refused part is tried again with another chain.
        """
        wanted = self.rendering.part(slot or None)
        if self._is_new(slot) or slot in self._gone:
            return digest_of(wanted)
        live = _part(self.live, slot)
        if wanted == live:
            return ""
        digest = digest_of(_shape(wanted))
        return digest if digest != digest_of(_shape(live)) else ""

    def compose(self, accepted: frozenset[Difference]) -> Rendering:
        """Return the generation with only the accepted differences."""
        chosen = {(difference.slot, difference.kind) for difference in accepted if difference.module == self.module}
        if "" in self.left_out or (self._is_whole_new and ("", RefusedKind.CONFIGURATION) not in chosen):
            return Rendering((), {}, {})
        slots = [
            slot
            for slot in self.rendering.chains
            if slot not in self.left_out and (not self._is_new(slot) or (slot, RefusedKind.CONFIGURATION) in chosen)
        ]
        whole = self.rendering if len(slots) == len(self.rendering.chains) else self._rendered_for(slots)
        files: list[ManifestFile] = []
        chains: dict[str, str] = {}
        for slot in slots:
            part, chains[slot] = self._compose_part(slot, chosen)
            files += part
        for slot in self._gone:
            if self.live and slot not in self.left_out and (slot, RefusedKind.CONFIGURATION) not in chosen:
                files += _part(self.live, slot)
                chains[slot] = self.live.chains[slot]
        if "" in self.earlier:
            files += _part(self.earlier[""], "")
        elif self.live is None or self.left_out or ("", RefusedKind.CONFIGURATION) in chosen:
            files += whole.part(None)
            files += self._still_named(files, whole.texts)
        else:
            files += _part(self.live, "")
        return Rendering(
            tuple(files),
            {**self.rendering.texts, **whole.texts},
            chains,
            {**self.rendering.passwords, **whole.passwords},
        )

    def _still_named(self, files: Sequence[ManifestFile], texts: Mapping[str, str]) -> list[ManifestFile]:
        """Return the files of the module as a whole that are gone now, and that a part which stays as it was still names."""
        paths = {file.path for file in files}
        gone = [file for file in _part(self.live, "") if file.path not in paths]
        kept = self.texts(file.text for file in files if file.text and file.text not in texts) if gone else {}
        return [file for file in gone if any(PurePath(file.path).name in text for text in kept.values())]

    def _compose_part(self, slot: str, chosen: set[tuple[str, RefusedKind]]) -> tuple[list[ManifestFile], str]:
        wanted, live = self.rendering.part(slot), _part(self.earlier.get(slot, self.live), slot)
        new_chain = self._is_new(slot) or (slot, RefusedKind.CHAIN) in chosen
        new_text = self._is_new(slot) or (slot, RefusedKind.CONFIGURATION) in chosen
        kept = self.live.chains[slot] if self.live and not self._is_new(slot) else ""
        chain = self.rendering.chains[slot] if new_chain or not self._chain_differs(slot) else kept
        part = wanted if new_text else live
        return [_with_chain(file, chain) for file in part], chain

    def _rendered_for(self, slots: Iterable[str]) -> Rendering:
        """The files of the module as a whole may name its slots."""
        return self.render({slot: self.chains[slot] for slot in slots})

    @property
    def _is_whole_new(self) -> bool:
        """Whether files beside the slots' are to come and nothing of the module is in service: it may be left out as a whole."""
        return not (self.live and self.live.files) and bool(self.rendering.part(None))

    def _is_new(self, slot: str) -> bool:
        return slot != "" and (self.live is None or slot not in self.live.chains)

    @cached_property
    def _gone(self) -> tuple[str, ...]:
        """Slots in service that are no longer needed."""
        return tuple(slot for slot in self.live.chains if slot not in self.rendering.chains) if self.live else ()

    def _chain_differs(self, slot: str) -> bool:
        return (
            self.live is not None and slot in self.live.chains and self.live.chains[slot] != self.rendering.chains[slot]
        )


def with_last_configuration(live: Generation, chains: Mapping[str, ChainFacts]) -> Rendering:
    """Return what is in service with other chains: for a module whose configuration can't be rendered now."""
    kept = {slot: chains[slot].id if slot in chains else chain for slot, chain in live.chains.items()}
    files = [replace(file, chain=kept[file.slot or ""]) if file.chain else file for file in live.files]
    return Rendering(tuple(files), {}, kept)


def with_moved_parts(live: Generation, texts: Mapping[str, str], moved: Mapping[str, str]) -> Rendering:
    """Return a service's entry as it is in service, pointing to other generations of the modules that it includes.

    `texts`: by digest. `moved`: what it names of a module's generation, as its directory -> what it is to name.
    """
    places = re.compile("|".join(rf"{re.escape(place)}(?![0-9])" for place in moved) or "(?!)")
    again = {digest: places.sub(lambda found: moved[found[0]], text) for digest, text in texts.items()}
    digests = {digest: hashlib.sha256(text.encode()).hexdigest() for digest, text in again.items()}
    files = tuple(replace(file, text=digests[file.text or ""]) for file in live.files)
    return Rendering(files, {digests[digest]: text for digest, text in again.items()}, {})


def is_same_configuration(one: Generation, other: Generation, slot: str) -> bool:
    """Whether two generations have the same of a slot, but for its chain."""
    return _shape(_part(one, slot)) == _shape(_part(other, slot))


def _part(live: Generation | None, slot: str) -> tuple[ManifestFile, ...]:
    return live.part(slot or None) if live else ()


def _shape(files: Iterable[ManifestFile]) -> list[ManifestFile]:
    """Return the files without their chains, for comparing configurations."""
    return [_with_chain(file, "") for file in files]


def _with_chain(file: ManifestFile, chain: str) -> ManifestFile:
    return file if file.chain in {None, chain} else replace(file, chain=chain)
