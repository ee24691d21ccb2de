"""Seconds and memory, measured on an idle machine and written to `docs/benchmarks.md`: `pytest -m bench`."""
