"""IKEv2 client (RFC 7296) without credentials: it stops when the server has proved who it is."""
