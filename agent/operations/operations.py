"""What an administrator does by hand: upload, delete, reissue, revoke, and replace root and account key."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.contract.source import ChainRecord, Source, SourceContext
from agent.engine.engine import Engine
from agent.engine.own_root import make_root
from agent.engine.pass_inputs import with_account_key
from agent.engine.source_context import StoredSourceContext
from agent.errors.deploy import ChainGone
from agent.errors.operations import ChainInUse, NotDeletable, NotInLadder, RootAlreadyPresent
from agent.operations.consequences import Answers
from agent.operations.locked_state import LockedState, Switch, by_module, locked_state, record_of
from agent.operations.revocation import mark_revoked
from agent.pki.authority import Root
from agent.pki.chain import Chain
from agent.planning.binding import UPLOADED

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey

__all__ = ["Answers", "Effects", "Operations", "Switch"]


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change of root would do."""

    resigned: tuple[str, ...]
    """``module/slot`` whose local chain is signed again."""
    peers: tuple[str, ...]
    """``module/label`` whose peer certificate is signed again, and has to be carried to its device."""
    answers: Answers
    """What the modules say that breaks, by name."""


class Operations:
    """Each method changes the store under the lock; `Engine.apply` then does what follows."""

    def __init__(self, engine: Engine, *, wait: float = 60.0) -> None:
        self._engine = engine
        self._wait = wait

    # Uploads

    def preview(self, chain: Chain, *, for_name: str = "", keep_unused: bool = False) -> list[Switch]:
        """Return what would switch to an upload. Raises `NameNotCovered`, `NotNeeded` or `AlreadyUploaded`."""
        with self._locked() as state:
            return state.preview(self._record(chain), for_name=for_name, keep_unused=keep_unused)

    def upload(self, chain: Chain, *, for_name: str = "", keep_unused: bool = False) -> list[Switch]:
        """Store an upload. Raises as `preview` does; nothing is stored then."""
        with self._locked() as state:
            switches = state.preview(self._record(chain), for_name=for_name, keep_unused=keep_unused)
            with state.store.write():
                state.store.chains.add(chain, source=UPLOADED, now=self._engine.clock())
            return switches

    def delete(self, chain_id: str, *, confirmed: bool) -> list[Switch]:
        """Delete an uploaded chain; what used it goes to the next source.

        Raises `ChainInUse`, with who uses it and what takes over, unless `confirmed`; `NotDeletable` for other chains, and
        `ChainGone`.
        """
        with self._locked() as state:
            record = state.record(chain_id)
            if record is None:
                raise ChainGone(chain_id)
            if record.source != UPLOADED:
                raise NotDeletable(chain_id, record.source)
            switches = state.without(chain_id)
            if switches and not confirmed:
                users = [f"{each.module}/{each.slot}" for each in switches]
                raise ChainInUse(chain_id, users, state.successors(switches))
            with state.store.write():
                state.store.chains.delete(chain_id)
            return switches

    def chain_effects(self, chain_id: str) -> Answers:
        """Return what another chain in the place of this one would break: those that use it are asked."""
        with self._locked() as state:
            return state.asked("chain", chain_id, [each.key for each in state.bindings() if each.chain == chain_id])

    # Reissue

    def reissue_effects(self, names: Sequence[str] = ()) -> Answers:
        """Return what new chains for these names, or all, would break. Raises `NothingToReissue`."""
        with self._locked() as state:
            needs = [need for name in names for need in state.needs_of(name)] if names else state.declarations.needs
            return state.asked("chain", "", [need.key for need in needs])

    def reissue(self, names: Sequence[str] = (), *, force: bool = False) -> list[str]:
        """Ask for a new chain of each request that has one of `names`; all requests without names.

        `force`: at the first try, sources leave out the checks that only spare their CAs.

        Return the names of the requests. Raises `NothingToReissue`.
        """
        with self._locked() as state:
            needs = (
                list(state.declarations.needs)
                if not names
                else [need for name in names for need in state.needs_of(name)]
            )
            now = self._engine.clock()
            with state.store.write():
                for need in needs:
                    state.store.orders.ask_again(need.request.id, now, force=force)
                    state.store.orders.forget_failures(need.request.id)
            return sorted({name for need in needs for name in need.names})

    def uploaded_for(self, name: str) -> str:
        """Return the beginning of the id of the uploaded chain that serves a name, empty when none does."""
        with self._locked() as state:
            keys = {need.key for need in state.needs_of(name)}
            bound = [state.record(binding.chain) for binding in state.bindings() if binding.key in keys]
            return next((each.id[:12] for each in bound if each is not None and each.source == UPLOADED), "")

    def retry_now(self) -> None:
        """Let every source that has failed be asked, and everything that was refused be tried, at once again."""
        with self._locked() as state, state.store.write():
            for need in state.declarations.needs:
                state.store.orders.forget_failures(need.request.id)
            state.store.deployments.reset_backoff((), self._engine.clock())

    # At a CA

    def without(self, chain_id: str) -> list[Switch]:
        """Return what would switch if a chain were revoked."""
        with self._locked() as state:
            return state.without(chain_id)

    def revoke(self, chain_id: str, reason: str = "unspecified") -> list[Switch]:
        """Have a chain revoked by its CA; what uses it goes to the next source, and the next pass orders a new one.

        `reason` is a CRLReason of RFC 5280 section 5.3.1. Raises `SourceError`, as when chains of this source can't be
        revoked, `NotInLadder` and `ChainGone`; nothing has changed then.
        """
        with self._locked() as state:
            record, chain = state.record(chain_id), state.store.chains.load(chain_id)
        if record is None or chain is None:
            raise ChainGone(chain_id)
        with self.context(record.source, names=list(record.names), chain=chain_id) as (source, context):
            source.revoke(chain, reason, context)
        with self._locked() as state:
            switches = state.without(chain_id)
            mark_revoked(self._engine, state.store, record, reason)
            return switches

    @contextmanager
    def context(self, source: str, **about: Any) -> Iterator[tuple[Source, SourceContext]]:
        """Yield a source of the ladder with its office, for work beside the lock. Raises `NotInLadder`.

        `about`: JSON types that go with its progress.
        """
        workers = self._engine.workers
        with self._locked() as state:
            inputs = with_account_key(state.inputs, state.store, self._engine.clock())
            rung = inputs.settings.rungs.get(source)
            if rung is None:
                raise NotInLadder(source, inputs.settings.rungs)
            services = workers.services(inputs.enabled.http01, secrets.token_hex(4))
        try:
            yield rung, StoredSourceContext(services, rung, threading.Event(), about)
        finally:
            workers.close()

    # The account key

    def propose_account_key(self) -> PrivateKey:
        """Return the account key that is to follow, made and on disk before any CA hears of it.

        One that was proposed before and not promoted yet, because of a crash, is returned again: a CA may have taken it.
        """
        from agent.pki.account_key import make_account_key
        from agent.store.account_keys import Role

        with self._locked() as state:
            proposed = state.store.account_keys.load(Role.NEXT)
            if proposed is None:
                proposed = make_account_key()
                with state.store.write():
                    state.store.account_keys.propose(proposed, self._engine.clock())
            return proposed

    def promote_account_key(self) -> None:
        """Make the proposed key the present one, now that the CAs know the accounts by it.

        The next pass tells the services, which answer HTTP-01 with its thumbprint.
        """
        with self._locked() as state, state.store.write():
            state.store.account_keys.promote()

    # The root

    def root_effects(self, sha256: str = "") -> Effects:
        """Return what another root would do, by name, asking every module what it would break."""
        with self._locked() as state:
            local = [
                binding.key
                for binding in state.bindings()
                if (record := state.record(binding.chain)) is not None and record.root is not None
            ]
            answers = state.consequences("root", sha256, by_module(local))
            present = [each for each in state.store.peers.all() if each.current]
            return Effects(
                tuple(f"{module}/{slot}" for module, slot in local),
                tuple(f"{each.module}/{each.label}" for each in present),
                answers,
            )

    def reissue_root(self) -> Root:
        """Make a new root. Local chains are signed again by the next pass; the old root is kept."""
        with self._locked() as state:
            now = self._engine.clock()
            root = make_root(state.inputs.settings.root, state.inputs.enabled.host, now)
            with state.store.write():
                state.store.roots.add(root, now)
            return root

    def upload_root(self, root: Root) -> None:
        """Take an uploaded root into service. Raises `RootAlreadyPresent`."""
        with self._locked() as state:
            present = state.store.roots.present()
            if present is not None and present.sha256 == root.sha256:
                raise RootAlreadyPresent(root.sha256)
            with state.store.write():
                state.store.roots.add(root, self._engine.clock())

    def _locked(self) -> AbstractContextManager[LockedState]:
        return locked_state(self._engine, self._wait)

    def _record(self, chain: Chain) -> ChainRecord:
        return record_of(chain, self._engine)
