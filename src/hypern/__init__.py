"""Hypern: background tasks that a web developer can rely on."""

__version__ = "0.1.0"
