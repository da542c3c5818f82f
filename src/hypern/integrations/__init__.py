"""Hypern's tasks in programs of other frameworks; one module each, which imports that framework."""
