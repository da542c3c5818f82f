"""Ours: a light route, and one that submits tasks that only compute.

Run by `hypern run durable_web:app`, or as `durable_web.py PORT`.
"""

import sys

from durable_burn import burn
from durable_tasks import DIRECTORY

from hypern import Hypern, background, submit_many

app = Hypern(task_store=f"sqlite:///{DIRECTORY}/hypern.db", task_workers=1)


@background()
def compute() -> int:
    return burn()


@app.get("/light")
@app.get("/counts")
async def light(req, res, ctx):
    res.json({"ok": True})


@app.post("/burn/:count")
def submit_all(req, res, ctx):
    submit_many([(compute, ())] * int(req.param("count")))
    res.json({"ok": True})


if __name__ == "__main__":
    app.listen(int(sys.argv[1]))
