"""The agent as a process: its loop, what wakes it, and the process of the local API."""
