"""Spans of one task that several processes have to do with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.running import Program, until, write

SHOP = """
import json, os, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from hypern import Hypern
from hypern.telemetry import Tracing

class ToFile(SpanExporter):
    def export(self, spans):
        with open("spans.jsonl", "a") as file:
            for span in spans:
                links = [link.context.span_id for link in span.links]
                parent = span.parent and span.parent.span_id
                said = [span.name, os.getpid(), span.context.span_id, parent, links]
                file.write(json.dumps(said) + "\\n")
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ToFile()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop")

app = Hypern(task_store="sqlite:///tasks.db?synchronous=normal")
app.use(Tracing())

@app.background(name="mail", isolate="process" if "isolated" in sys.argv else None)
def mail():
    with tracer.start_as_current_span("inner"):
        return os.getpid()

@app.background(name="async mail", isolate="process" if "isolated" in sys.argv else None)
async def async_mail():
    with tracer.start_as_current_span("inner"):
        return os.getpid()

@app.post("/:kind")
def submit(req, res, ctx):
    res.json({"id": (mail if req.param("kind") == "mail" else async_mail)()})

@app.get("/tasks/:id")
def show(req, res, ctx):
    task = app.get_task(req.param("id"))
    res.json({"status": task.status, "result": task.result})

if __name__ == "__main__":
    app.listen(int(os.environ["PORT"]), task_processes=1)
"""


@pytest.mark.parametrize("kind", ["mail", "async"])
@pytest.mark.parametrize("isolated", [False, True])
def test_across_processes(tmp_path: Path, kind: str, isolated: bool) -> None:
    """One process serves and submits, another runs, with the link through a SQLite file; what an isolated
    task does in its third process is a child of the run."""
    write(tmp_path, {"app.py": SHOP})
    command = [sys.executable, "app.py", *(["isolated"] if isolated else [])]
    with Program(tmp_path, command) as program:
        task_id = program.post(f"/{kind}")["id"]
        worker = program.ended(f"/tasks/{task_id}")["result"]

        def exported() -> dict[str, list[Any]] | None:
            lines = (tmp_path / "spans.jsonl").read_text().splitlines()
            found = {said[0].split()[0]: said for said in map(json.loads, lines) if "/tasks" not in said[0]}
            return found if len(found) == 4 else None

        found = until(exported)
    request, submit, run, within = (found[name] for name in ("POST", "submit", "run", "inner"))
    assert submit[3] == request[2]
    assert submit[1] == request[1] != run[1]
    assert (run[3], run[4]) == (None, [submit[2]])
    assert within[3] == run[2]
    assert within[1] == worker
    assert (worker == run[1]) is not isolated
