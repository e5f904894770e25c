"""TLS sockets that are closed whatever becomes of them. Cheap to import."""

from __future__ import annotations

import errno
import os
import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TlsSocket(ssl.SSLSocket):
    """Socket for `ssl.SSLContext.sslsocket_class`.

    Where the peer has reset the connection before the socket is wrapped, the module `ssl` raises and leaves the socket open.
    """

    def getpeername(self) -> Any:
        """Return the peer's address. Raises OSError, and has closed the socket, where it has none any more."""
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from None
