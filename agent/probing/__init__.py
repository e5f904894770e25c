"""Probes: what a client sees when it connects to a service."""
