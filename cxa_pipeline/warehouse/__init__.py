"""PostgreSQL: the embedded server, sessions, staging, publication, roles."""
