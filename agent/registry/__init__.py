"""Finding, loading and checking plugins, and calling their hooks."""
