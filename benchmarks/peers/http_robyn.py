"""Robyn, which has no background tasks: it only saves the user and answers."""

import json
import sys

from robyn import Headers, Response, Robyn
from work import counts, save_user

app = Robyn(__file__)


def answer(status, content):
    return Response(
        status_code=status,
        headers=Headers({"content-type": "application/json"}),
        description=json.dumps(content),
    )


@app.post("/users")
def create_user(request):
    user = save_user(request.json())
    return answer(201, {"user": user, "email_task_id": None})


@app.get("/counts")
def read_counts(request):
    return answer(200, counts())


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(sys.argv[1]))
