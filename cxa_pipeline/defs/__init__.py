"""The Dagster layer: it shows, triggers and records; nothing is computed here."""
