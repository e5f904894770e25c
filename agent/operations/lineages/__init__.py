"""Lineages of other ACME clients: where each keeps the certificates and the key of one set of names."""
