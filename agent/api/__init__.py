"""The local API: JSON over HTTP on a UNIX socket, in a process of its own that runs while it is used."""
