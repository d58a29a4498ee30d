"""imbbench: what really helps against class imbalance, measured."""

__version__ = "0.1.0"
