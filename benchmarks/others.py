"""How busy the machine is while nothing of ours runs: the reason to believe the figures, or not to."""

import time
from pathlib import Path

LOOK_SECONDS = 0.2
IDLE, WAITING, STEAL = 3, 4, 7


def busy_percent() -> float:
    """What other programs, and other guests of the same host, take of all cores just now."""
    before = _jiffies()
    time.sleep(LOOK_SECONDS)
    spent = [late - early for early, late in zip(before, _jiffies(), strict=True)]
    return 100 * (1 - (spent[IDLE] + spent[WAITING]) / sum(spent))


def _jiffies() -> list[int]:
    """The first line of /proc/stat, from user to steal; what guests use is counted in user already."""
    numbers = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return [int(number) for number in numbers[: STEAL + 1]]
