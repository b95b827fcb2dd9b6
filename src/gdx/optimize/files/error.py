"""What is wrong with a file."""


class CheckpointError(ValueError):
    """A file is no checkpoint, a damaged one, or that of another run."""
