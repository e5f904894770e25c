"""What an administrator asked for by hand can't be done."""

from __future__ import annotations

from collections.abc import Iterable

from agent.errors.problem import AgentError


class HandError(AgentError):
    """A request of an administrator is refused; nothing has changed."""

    code = "hand"


class NameNotCovered(HandError):
    """An upload does not cover the name that it was uploaded for (RFC 9525 section 6)."""

    code = "hand.name_not_covered"

    def __init__(self, name: str, names: Iterable[str]) -> None:
        super().__init__(
            f'The chain does not cover "{name}"; it is for {", ".join(names) or "no name at all"}.',
            where="upload",
            fix="Upload the chain of that name, or leave out --for.",
        )


class NobodyNeeds(HandError):
    """No module needs what was uploaded."""

    code = "hand.nobody_needs"

    def __init__(self, names: Iterable[str], known: Iterable[str]) -> None:
        asked = ", ".join(sorted(known)[:5])
        super().__init__(
            f"No module needs a chain for {', '.join(names)}.",
            where="upload",
            fix=f"Keep it for later with --keep-unused. Needed are: {asked or 'none'}.",
        )


class AlreadyUploaded(HandError):
    """The very same chain is there."""

    code = "hand.already_uploaded"

    def __init__(self, chain: str) -> None:
        super().__init__(
            "This chain has been uploaded before.",
            where=f"chain {chain[:12]}",
            fix="See who uses it: chainwright status",
        )


class ChainInUse(HandError):
    """A chain that modules use is to be deleted."""

    code = "hand.chain_in_use"

    def __init__(self, chain: str, users: Iterable[str], successors: Iterable[str]) -> None:
        self.users = tuple(users)
        """``module/slot``."""
        self.successors = tuple(successors)
        """What takes over, by name."""
        super().__init__(
            f"The chain is used by {', '.join(self.users)}.",
            where=f"chain {chain[:12]}",
            fix=f"Hand over at once with --yes: {'; '.join(self.successors)}.",
        )


class NotDeletable(HandError):
    """A chain that the agent makes itself would only be made again."""

    code = "hand.not_deletable"

    def __init__(self, chain: str, source: str) -> None:
        super().__init__(
            f'Only uploaded chains are deleted by hand; this one is of the source "{source}".',
            where=f"chain {chain[:12]}",
            fix="For a new one: chainwright reissue NAME",
        )


class NothingToReissue(HandError):
    """No request has the name."""

    code = "hand.nothing_to_reissue"

    def __init__(self, name: str, suggestion: str) -> None:
        hint = f" Did you mean {suggestion}?" if suggestion else ""
        super().__init__(
            f'No module needs a chain for "{name}".{hint}',
            where="reissue",
            fix="All names: chainwright status",
        )


class RootAlreadyPresent(HandError):
    """The root that is uploaded signs already."""

    code = "hand.root_already_present"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            "This root signs already.",
            where=f"root {sha256[:12]}",
            fix="See it: chainwright root show",
        )


class NotInLadder(HandError):
    """Something is to be done by a source that is not in use."""

    code = "hand.not_in_ladder"

    def __init__(self, source: str, ladder: Iterable[str]) -> None:
        super().__init__(
            f'The source "{source}" is not in the ladder, which is: {", ".join(ladder)}.',
            where=f"source {source}",
            fix="Name it in the setting `sources`.",
        )
