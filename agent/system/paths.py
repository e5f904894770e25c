"""Paths under ``--root`` for code that must start without imports."""

ETC = "etc/chainwright"
PRIVATE = "var/lib/chainwright/private"
DATABASE = f"{PRIVATE}/chainwright.db"
MASTER_KEY = f"{PRIVATE}/master.key"
