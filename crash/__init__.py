"""Kills processes that share one SQLite store, again and again, and looks whether a promise was broken."""
