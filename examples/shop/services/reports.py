"""Reports that somebody asked for."""

from hypern import submit_task

from tasks.reports import count_teas


def request_report(pause: float) -> str:
    """The id of the task that makes the report, once nothing more urgent is waiting."""
    return submit_task(count_teas, args=(pause,), priority="low")
