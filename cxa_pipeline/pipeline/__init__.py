"""Plan and run: what is stale, computing, checking, releasing; what the command line and Dagster both call."""
