"""Many problems at once, each with a search and an end of its own."""
