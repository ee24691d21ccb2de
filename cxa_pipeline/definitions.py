"""What Dagster loads: one Definitions, nothing else."""

from cxa_pipeline.defs.build import build_definitions

defs = build_definitions()
