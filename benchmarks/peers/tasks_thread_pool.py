"""concurrent.futures.ThreadPoolExecutor: the standard library's answer; no ids, no records."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from measure import TASK_WORKERS, main

if __name__ == "__main__":
    pool = ThreadPoolExecutor(TASK_WORKERS)
    main(lambda function: partial(pool.submit, function), is_done=Future.done)
