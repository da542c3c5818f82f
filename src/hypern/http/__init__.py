"""The web side: routes, requests, answers and the server. It knows nothing of tasks."""
