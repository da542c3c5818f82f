"""Where tasks are kept. A store knows nothing of functions, threads or HTTP."""
