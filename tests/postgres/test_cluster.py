"""What holds across processes: limits, rates, keys and ticks, whoever runs, dies or submits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.postgres.conftest import RESUMES_WITHIN, Effects, MakePuppet, Tables, all_have_run, until

SECOND = 1_000_000_000


def test_a_limit_holds_for_all_together(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Of a queue with a limit of two, three workers with a thread each never run more than two at once, and
    at some time two."""
    workers = [puppet(name, postgres_url, task_workers=1) for name in ("one", "two", "three")]
    workers[0].tell("limit", queue="narrow", limit=2)
    ids = [f"task:{number}" for number in range(16)]
    for task_id in ids:
        workers[0].submit(task_id, "slow", 0.0, 0.15, queue="narrow")
    all_have_run(tables, ids)
    changes = sorted(
        [(line.at, 1) for line in effects.all() if line.what == "start"]
        + [(line.at, -1) for line in effects.all() if line.what == "end"]
    )
    running, most = 0, 0
    for _, change in changes:
        running += change
        most = max(most, running)
    assert most == 2


def test_a_rate_holds_for_all_together(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Ten a second, on two workers: fifteen starts take their time, as nearly as threads start."""
    one, _ = puppet("one", postgres_url), puppet("two", postgres_url)
    ids = [f"task:{number}" for number in range(15)]
    for task_id in ids:
        one.submit(task_id, "quick", rate="10/s")
    all_have_run(tables, ids)
    starts = sorted(line.at for line in effects.all() if line.what == "start")
    # The first may be held up on its way from being admitted to its first line. If each worker were for
    # itself, the last would come 0.7 s too soon.
    assert starts[-1] - starts[0] >= (len(ids) - 1) * 0.1 * SECOND - 0.5 * SECOND


def test_a_key_is_taken_once(puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables) -> None:
    """Submits of one unique key from three processes at once: one task, whose id all get."""
    producers = [puppet(f"producer{number}", postgres_url, task_workers=0) for number in range(3)]
    for turn in range(3):
        key = f"key:{turn}"

        def submit(number: int, key: str = key) -> str:
            return producers[number].submit(f"{key}:{number}", unique=key)

        with ThreadPoolExecutor(3) as pool:
            given = set(pool.map(submit, range(3)))
        assert len(given) == 1
        kept = tables.ask("SELECT id FROM hypern.tasks WHERE id LIKE %s", f"{key}:%")
        assert kept == [(given.pop(),)]


def test_a_tick_is_one_task_and_ticking_goes_on(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """A task that recurs in three processes runs once a tick; when one of them is killed, it goes on."""
    crew = [puppet(f"worker{number}", postgres_url, opens=False) for number in range(3)]
    for worker in crew:
        worker.tell("open", task_workers=1)
        worker.tell("recur", seconds=1)
        worker.tell("start")
    until(lambda: len(_ticks(effects)) >= 2, "it ticks")
    crew[0].kill()
    before = len(_ticks(effects))
    until(lambda: len(_ticks(effects)) >= before + 3, "it goes on", RESUMES_WITHIN)
    ticks = _ticks(effects)
    # One that the killed worker had in hand may have been begun twice.
    assert len(ticks) - len(set(ticks)) <= 1
    assert tables.ask("SELECT count(*)::int - count(DISTINCT id)::int FROM hypern.tasks") == [(0,)]


def _ticks(effects: Effects) -> list[str]:
    return [line.id for line in effects.all() if line.what == "start"]


def test_priorities_are_kept_across_queues(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """What is more urgent starts first, whichever queue it waits in and whoever submitted it."""
    producers = [puppet(name, postgres_url, task_workers=0) for name in ("one", "two")]
    for number in range(6):
        producers[number % 2].submit(f"low:{number}", queue=f"q{number % 3}", priority="low")
    for number in range(6):
        producers[number % 2].submit(f"high:{number}", queue=f"q{number % 3}", priority="critical")
    puppet("worker", postgres_url, task_workers=1)
    ids = [f"{kind}:{number}" for kind in ("high", "low") for number in range(6)]
    all_have_run(tables, ids)
    assert [line.id for line in effects.all() if line.what == "start"] == ids
