"""Benchmarks: ratios measured in one run. `python -m bench --help` says more."""
