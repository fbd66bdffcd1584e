"""The files: one definition of each, and how they are framed and written."""
