"""cxa-pipeline: customer analytics in PostgreSQL from the files an online shop exports."""
