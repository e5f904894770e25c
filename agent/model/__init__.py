"""Data that the store keeps: needs, chain records, bindings, deployments, events, peers."""
