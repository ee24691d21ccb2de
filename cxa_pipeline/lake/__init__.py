"""The lake: kept bytes, landings, results by key and releases; written once, and listed."""

from cxa_pipeline.lake.files import read_json, write_bytes, write_json, writing
from cxa_pipeline.lake.lock import holder, run_lock
from cxa_pipeline.lake.store import Lake, Landing, Parts, Raw, Stored

__all__ = [
    "Lake",
    "Landing",
    "Parts",
    "Raw",
    "Stored",
    "holder",
    "read_json",
    "run_lock",
    "write_bytes",
    "write_json",
    "writing",
]
