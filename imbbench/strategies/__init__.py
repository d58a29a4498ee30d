"""Strategies: a folder per family, wiring in its ``__init__``, beside it one file per method."""
