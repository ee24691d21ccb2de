"""From dropped files to landed rows: find them, read them, map and type them, and decide which rows stand."""
