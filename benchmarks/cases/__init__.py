"""One file a case, each with ENVIRONMENTS, FULL_ROUNDS, QUICK_ROUNDS and `run(rounds, quick)`, its Report."""
