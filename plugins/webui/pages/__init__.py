"""Pages, a file a subject."""
