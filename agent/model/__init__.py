"""What the store keeps, as data: needs, chain records, bindings, deployments, events, peers."""
