"""Methods that search along lines: directions, searches, and what reads their numbers at once."""
