"""The store in a SQLite file: durable, and shared by all processes of one machine."""
