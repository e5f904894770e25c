"""Declarations of plugins, and what they are given: modules, services, sources, files, endpoints, contexts."""
