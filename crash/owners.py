"""Which owners of tasks are dead: each worker process holds a lock on a file that bears its name."""

import fcntl
import os
import struct
from pathlib import Path

# struct flock of Linux: type, whence, start, length, pid.
_LOCK = "hhqqi4x"


def is_dead(database: Path, owner: str) -> bool:
    """Whether nobody holds the lock of this owner. Asks without taking it."""
    path = database.with_name(f"{database.name}-workers") / f"{owner}.lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        asked = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        return bool(struct.unpack(_LOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] == fcntl.F_UNLCK)
    finally:
        os.close(file)
