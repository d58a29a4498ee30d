"""Functions of committed tables, never of a runner."""
