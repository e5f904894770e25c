"""Says what another user can do: `reading.py UID GID`, paths as JSON on stdin. Nothing but the standard library.

Pairs of chain and key that can be read are loaded as well, as a server would.
"""

import json
import os
import ssl
import sys
from pathlib import Path


def can_read(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def can_write(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY))
    except IsADirectoryError:
        return os.access(path, os.W_OK)
    except OSError:
        return False
    return True


def loads(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, Path(path).with_name("key.pem"))
    except OSError:
        return False
    return True


def main() -> None:
    user, group = map(int, sys.argv[1:3])
    paths = json.load(sys.stdin)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    files = [path for path in paths["files"] if can_read(path)]
    chains = [path for path in paths["files"] if path.endswith("/fullchain.pem") and loads(path)]
    written = [path for path in (*paths["files"], *paths["directories"]) if can_write(path)]
    json.dump({"read": files, "loaded": chains, "written": written}, sys.stdout)


if __name__ == "__main__":
    main()
