"""Status: the routes that show a task to who has submitted it over HTTP."""
