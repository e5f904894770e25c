"""The settings: reading, merging and validating them, and showing them."""
