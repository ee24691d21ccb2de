"""What several test folders use: shops on disk, dumps of the database, processes that are killed, a watching reader."""
