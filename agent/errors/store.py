"""Database, master key and lock."""

from __future__ import annotations

from agent.errors.base import AgentError

BOTH = "Restore master key and database from the same backup."


class StoreError(AgentError):
    """The agent's own state can't be used. `where` is a path."""

    code = "store"
    effect = "What is served is not touched."


class MasterKeyLost(StoreError):
    """There is a database, but no key to open it."""

    code = "store.master_key_lost"
    cause = "The master key that seals every private key is missing."
    fix = "Restore it from a backup; without it, move the state directory aside to begin with a new root."
    where: str


class MasterKeyRefused(StoreError):
    """The master key's file doesn't hold a key."""

    code = "store.master_key_refused"
    cause = "The master key must be 64 hexadecimal digits."
    fix = "Restore it from a backup."
    where: str


class MasterKeyWrong(StoreError):
    """The master key is not the one that sealed this database."""

    code = "store.master_key_wrong"
    cause = "The master key is not the one that sealed this database."
    fix = BOTH
    where: str


class MasterKeyOfAnother(MasterKeyWrong):
    """The key that is given as a credential would go before that of the backup."""

    code = "store.master_key_of_another"
    cause = "The master key is given as a credential here, and it is another one than that of the backup."
    effect = "Nothing was changed."
    fix = "Make the backup's master key the credential; it is in the file: see Backup and restore in docs/operation.md"


class SealBroken(StoreError):
    """One sealed value can't be opened. `where`: what it is of."""

    code = "store.seal_broken"
    cause = "A sealed value can't be opened: it was changed, or sealed by another master key."
    fix = BOTH
    where: str


class RowDamaged(StoreError):
    """A row of the database can't be read, and what was to be done is about nothing else."""

    code = "store.row_damaged"
    cause = 'The row "{row}" of the table {table} can\'t be read: {reason}.'
    effect = "What it tells of is left out, and everything else goes on."
    fix = "Have it mended where it can be: chainwright apply"
    where: str
    table: str
    row: str
    reason: str


class DatabaseLost(StoreError):
    """There is state of an earlier run, but no database."""

    code = "store.database_lost"
    cause = "The database is missing, though {found} shows that there was one."
    effect = "What is served is not touched, and no new root is made."
    fix = "See what can be restored: chainwright repair --dry-run; or move the state directory aside to begin with a new root."
    where: str
    found: str


class DatabaseRefused(StoreError):
    """SQLite can't use the file."""

    code = "store.database_refused"
    cause = "The database can't be used: {reason}."
    fix = "Look at the file and its directory (owner, mode, disk), then: chainwright apply"
    where: str
    reason: str


class DatabaseDamaged(DatabaseRefused):
    """What is in the file isn't a database, or not a whole one."""

    code = "store.database_damaged"
    cause = "The database is damaged: {reason}."
    fix = "See what can be restored: chainwright repair --dry-run"


class TablesLost(DatabaseDamaged):
    """Tables that nothing makes again were dropped."""

    code = "store.tables_lost"
    cause = "The database has lost tables or columns: {reason}."


class CopyFailed(StoreError):
    """A copy of the database can't be made, or can't be used."""

    code = "store.copy_failed"
    cause = "The copy of the database is no good: {reason}."
    effect = "Earlier copies are kept, and everything goes on."
    fix = "Make room or look at the disk; it is tried again after an hour"
    where: str
    reason: str


class DatabaseBusy(DatabaseRefused):
    """Another process writes, and doesn't come to an end. `holder`: what holds the lock of passes meanwhile, for people."""

    code = "store.database_busy"
    cause = "The database is busy: another process is writing to it{holder:? (%)}."
    fix = "Try again in a moment."
    holder: str = ""


class DatabaseReadOnly(DatabaseRefused):
    """The file may be read, and not written."""

    code = "store.database_read_only"
    cause = "The database can't be written: {reason}."
    fix = "See whether its file system is mounted read-only, and why (dmesg), and who may write there, then: chainwright apply"


class DatabaseUnreadable(DatabaseRefused):
    """The operating system fails to read or write the file."""

    code = "store.database_unreadable"
    cause = "The database's disk fails: {reason}."
    fix = "See what the kernel says of it (dmesg), then: chainwright apply"


class DatabaseFull(DatabaseRefused):
    """SQLite can't write, as its file system is full."""

    code = "store.database_full"
    cause = "The database can't be written: the disk is full ({reason})."
    fix = "Make room there (df -h, df -i); the next pass goes on by itself, or now: chainwright apply"


class DatabaseTooNew(StoreError):
    """A newer version wrote the database."""

    code = "store.database_too_new"
    cause = "The database was written by a newer version of Chainwright (it knows {steps})."
    fix = "Install that version again, or restore the backup that was made before it."
    where: str
    steps: str


class StateUnwritable(StoreError):
    """The state directory can't be used by this user."""

    code = "store.state_unwritable"
    cause = "The state directory can't be used: {reason}."
    fix = "{cure}"
    where: str
    reason: str
    cure: str = "Run the command as root, or name a directory of your own: --root DIR"


class LockHeld(StoreError):
    """Another run holds the lock. `holder`: number of its process and its command, for people."""

    code = "store.lock_held"
    cause = "Another run holds the lock{holder:? (%)}."
    fix = "Wait for it: chainwright apply --wait SECONDS"
    where: str
    holder: str


class AgentAlreadyRunning(LockHeld):
    """The agent runs already on this state."""

    code = "store.agent_up"
    cause = "The agent is already running{holder:? (%)}."
    effect = "It goes on as before."
    fix = "See how it does: chainwright status"


class AgentStillRunning(LockHeld):
    """The agent runs, and would go on with what is replaced."""

    code = "store.agent_in_the_way"
    cause = "The agent is running{holder:? (%)}, and would go on with what a restore replaces."
    effect = "It goes on as before; nothing was changed."
    fix = "Stop it first, or wait until it ends: systemctl stop chainwright chainwright-web (or rc-service NAME stop)"


class NoStateYet(StoreError):
    """A command that only looks finds nothing to look at."""

    code = "store.no_state"
    cause = "The agent has never run here."
    effect = ""
    fix = "Run it once: chainwright apply"
    where: str


class RestoreUnfinished(StoreError):
    """A restore was interrupted when it had been decided. `reason`: why it can't be gone on with; empty: nobody has yet."""

    code = "store.restore_unfinished"
    cause = "A restore was interrupted{reason:?, and going on with it fails: %}."
    effect = "What is served is not touched."
    fix = "See what is wrong there, then go on as root with: chainwright restore --finish"
    where: str
    reason: str = ""


class SocketPathTooLong(StoreError):
    """UNIX socket paths are limited to 107 bytes (unix(7))."""

    code = "store.socket_path"
    cause = "The path of a UNIX socket may have 107 bytes, this one has {size}."
    effect = ""
    fix = "Choose a shorter directory: --root DIR"
    where: str

    @property
    def size(self) -> str:
        """Number of bytes in the path."""
        return str(len(self.where.encode()))
