"""One pass: plan and perform, under the lock. Daemon, CLI, API and boot are callers of the same."""
