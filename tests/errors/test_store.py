import pytest

from agent.errors import AgentError
from agent.errors.store import (
    AgentUp,
    DatabaseLost,
    DatabaseRefused,
    DatabaseTooNew,
    LockHeld,
    MasterKeyLost,
    MasterKeyRefused,
    MasterKeyWrong,
    NoStateYet,
    SealBroken,
    SocketPathTooLong,
    StateUnwritable,
)

PRIVATE = "/var/lib/chainwright/private"
KEY = f"{PRIVATE}/master.key"
DATABASE = f"{PRIVATE}/chainwright.db"
UNTOUCHED = "What is served is not touched."
TOGETHER = "Restore master key and database from the same backup."

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        MasterKeyLost(KEY),
        (
            f"{KEY}: The master key that seals every private key is missing.\n"
            f"{UNTOUCHED} Restore it from a backup; without it, move the state directory aside to begin with a new root."
        ),
    ),
    (
        MasterKeyRefused(KEY),
        f"{KEY}: The master key must be 64 hexadecimal digits.\n{UNTOUCHED} Restore it from a backup.",
    ),
    (
        MasterKeyWrong(KEY),
        f"{KEY}: The master key is not the one that sealed this database.\n{UNTOUCHED} {TOGETHER}",
    ),
    (
        SealBroken("key of chain 1234"),
        (
            "key of chain 1234: A sealed value can't be opened: it was changed, or sealed by another master key.\n"
            f"{UNTOUCHED} {TOGETHER}"
        ),
    ),
    (
        DatabaseLost(DATABASE, f"{PRIVATE}/root-1234.sealed"),
        (
            f"{DATABASE}: The database is missing, though {PRIVATE}/root-1234.sealed shows that there was one.\n"
            "What is served is not touched, and no new root is made. "
            "Restore it from a backup, or move the state directory aside to begin with a new root."
        ),
    ),
    (
        DatabaseRefused(DATABASE, "database or disk is full"),
        (
            f"{DATABASE}: The database can't be used: database or disk is full.\n"
            f"{UNTOUCHED} Check the disk's space and state, or restore the file from a backup."
        ),
    ),
    (
        DatabaseTooNew(DATABASE, "m004_peers"),
        (
            f"{DATABASE}: The database was written by a newer version of Chainwright (it knows m004_peers).\n"
            f"{UNTOUCHED} Install that version again, or restore the backup that was made before it."
        ),
    ),
    (
        StateUnwritable(PRIVATE, "permission denied"),
        (
            f"{PRIVATE}: The state directory can't be used: permission denied.\n"
            f"{UNTOUCHED} Run the command as root, or name a directory of your own: --root DIR"
        ),
    ),
    (
        LockHeld("/run/chainwright/lock", "pid 7, chainwright run"),
        (
            "/run/chainwright/lock: Another run holds the lock (pid 7, chainwright run).\n"
            f"{UNTOUCHED} Wait for it: chainwright apply --wait SECONDS"
        ),
    ),
    (
        LockHeld("/run/chainwright/lock", ""),
        (
            "/run/chainwright/lock: Another run holds the lock.\n"
            f"{UNTOUCHED} Wait for it: chainwright apply --wait SECONDS"
        ),
    ),
    (
        AgentUp("/run/chainwright/agent.lock", "pid 7"),
        (
            "/run/chainwright/agent.lock: The agent is up already (pid 7).\n"
            "It goes on as before. See how it does: chainwright status"
        ),
    ),
    (NoStateYet(DATABASE), f"{DATABASE}: The agent has never run here.\nRun it once: chainwright apply"),
    (
        SocketPathTooLong("/" + "ü" * 60),
        (
            f"/{'ü' * 60}: The path of a UNIX socket may have 107 bytes, this one has 121.\n"
            "Choose a shorter directory: --root DIR"
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
