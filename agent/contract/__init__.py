"""What plugins declare and what they are given: modules, services, sources, files, endpoints, contexts."""
