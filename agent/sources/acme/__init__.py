"""Chains of an ACME CA (RFC 8555): Let's Encrypt, or any other."""
