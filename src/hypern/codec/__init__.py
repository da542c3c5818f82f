"""From Python to what a durable store keeps, and back: functions as names, values as typed JSON."""
