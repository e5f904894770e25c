"""Database, master key and lock."""

from __future__ import annotations

from agent.errors.problem import AgentError

UNTOUCHED = "What is served is not touched."


class StoreError(AgentError):
    """The agent's own state can't be used."""

    code = "store"


class MasterKeyLost(StoreError):
    """There is a database, but no key to open it."""

    code = "store.master_key_lost"

    def __init__(self, path: str) -> None:
        super().__init__(
            "The master key that seals every private key is missing.",
            where=path,
            effect=UNTOUCHED,
            fix="Restore it from a backup; without it, move the state directory aside to begin with a new root.",
        )


class MasterKeyRefused(StoreError):
    """The master key's file doesn't hold a key."""

    code = "store.master_key_refused"

    def __init__(self, path: str) -> None:
        super().__init__(
            "The master key must be 64 hexadecimal digits.",
            where=path,
            effect=UNTOUCHED,
            fix="Restore it from a backup.",
        )


class MasterKeyWrong(StoreError):
    """The master key is not the one that sealed this database."""

    code = "store.master_key_wrong"

    def __init__(self, path: str) -> None:
        super().__init__(
            "The master key is not the one that sealed this database.",
            where=path,
            effect=UNTOUCHED,
            fix="Restore master key and database from the same backup.",
        )


class SealBroken(StoreError):
    """One sealed value can't be opened."""

    code = "store.seal_broken"

    def __init__(self, context: str) -> None:
        super().__init__(
            "A sealed value can't be opened: it was changed, or sealed by another master key.",
            where=context,
            effect=UNTOUCHED,
            fix="Restore master key and database from the same backup.",
        )


class DatabaseLost(StoreError):
    """There is state of an earlier run, but no database."""

    code = "store.database_lost"

    def __init__(self, path: str, found: str) -> None:
        super().__init__(
            f"The database is missing, though {found} shows that there was one.",
            where=path,
            effect="What is served is not touched, and no new root is made.",
            fix="Restore it from a backup, or move the state directory aside to begin with a new root.",
        )


class DatabaseRefused(StoreError):
    """SQLite can't use the file."""

    code = "store.database_refused"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The database can't be used: {reason}.",
            where=path,
            effect=UNTOUCHED,
            fix="Check the disk's space and state, or restore the file from a backup.",
        )


class DatabaseTooNew(StoreError):
    """A newer version wrote the database."""

    code = "store.database_too_new"

    def __init__(self, path: str, steps: str) -> None:
        super().__init__(
            f"The database was written by a newer version of Chainwright (it knows {steps}).",
            where=path,
            effect=UNTOUCHED,
            fix="Install that version again, or restore the backup that was made before it.",
        )


class StateUnwritable(StoreError):
    """The state directory can't be used by this user."""

    code = "store.state_unwritable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The state directory can't be used: {reason}.",
            where=path,
            effect=UNTOUCHED,
            fix="Run the command as root, or name a directory of your own: --root DIR",
        )


class LockHeld(StoreError):
    """Another run holds the lock."""

    code = "store.lock_held"

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(
            f"Another run holds the lock{f' ({holder})' if holder else ''}.",
            where=path,
            effect=UNTOUCHED,
            fix="Wait for it: chainwright apply --wait SECONDS",
        )


class AgentUp(LockHeld):
    """The agent runs already on this state."""

    code = "store.agent_up"

    def __init__(self, path: str, holder: str) -> None:
        self.holder = holder
        """Number of its process and its command, for people."""
        StoreError.__init__(
            self,
            f"The agent is up already{f' ({holder})' if holder else ''}.",
            where=path,
            effect="It goes on as before.",
            fix="See how it does: chainwright status",
        )


class NoStateYet(StoreError):
    """A command that only looks finds nothing to look at."""

    code = "store.no_state"

    def __init__(self, path: str) -> None:
        super().__init__(
            "The agent has never run here.",
            where=path,
            fix="Run it once: chainwright apply",
        )


class SocketPathTooLong(StoreError):
    """UNIX socket paths are limited to 107 bytes (unix(7))."""

    code = "store.socket_path"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The path of a UNIX socket may have 107 bytes, this one has {len(path.encode())}.",
            where=path,
            fix="Choose a shorter directory: --root DIR",
        )
