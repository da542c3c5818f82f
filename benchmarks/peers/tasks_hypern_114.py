"""PyPI's hypern 1.1.4 without its server, where its executor does run what is submitted."""

from measure import PENDING_LIMIT, TASK_WORKERS, main

from hypern import Hypern, background, get_task

app = Hypern(task_workers=TASK_WORKERS, task_queue_size=PENDING_LIMIT, log_level="warning")


def declare(function):
    # It hands all positional arguments over as one tuple, and none at all as no argument.
    return background()(lambda arguments=(): function(*arguments))


def is_done(task_id):
    result = get_task(task_id)
    return result is not None and result.is_success()


if __name__ == "__main__":
    main(declare, is_done=is_done)
