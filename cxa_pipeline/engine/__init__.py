"""Run SQL: parse models, check and translate their dialect, and execute them on an engine.

Here: what a model's text says (`sql`, `scopes`, `kinds`, `infer`), the subset of PostgreSQL that models may use
(`dialect`, `lint`, `rules`) and its translation (`rewrites`), the protocol of an engine (`protocol`) and
the embedded one (`duckdb`). Not here: where results are kept (`lake`), what is stale (`pipeline`).
"""
