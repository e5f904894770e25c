"""IKEv2 (RFC 7296) as far as a client without credentials comes: until the server has proved who it is."""
