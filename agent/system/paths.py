"""Paths under ``--root`` that are wanted before anything else is imported."""

ETC = "etc/chainwright"
PRIVATE = "var/lib/chainwright/private"
DATABASE = f"{PRIVATE}/chainwright.db"
MASTER_KEY = f"{PRIVATE}/master.key"
