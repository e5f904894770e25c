"""Settings: reading, merging, validating and showing them."""
