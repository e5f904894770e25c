"""IKEv2 on strongSwan."""
