"""The store in a PostgreSQL database: durable, and shared by processes on any number of machines."""
