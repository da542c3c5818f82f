"""Hypern beside its peers and the limits of the machine, measured in one run: `python -m benchmarks`."""
