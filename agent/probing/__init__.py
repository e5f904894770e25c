"""What a client sees when it connects to a service."""
