"""What the page asks for and sends: each path, what it needs, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypern.dashboard import actions, queries, views
from hypern.dashboard.aside import aside
from hypern.dashboard.audit import AuditEvent
from hypern.dashboard.gate import Needs
from hypern.dashboard.live import Subject
from hypern.dashboard.sessions import Tokens
from hypern.dashboard.viewers import Viewer
from hypern.errors import BadRequest, Conflict, NotFound
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.records import TaskStatus

if TYPE_CHECKING:
    from hypern.dashboard.dashboard import Dashboard

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has passed the gate, and who sent it."""

    dashboard: Dashboard
    req: Request
    res: Response
    viewer: Viewer
    path: str

    @property
    def task_id(self) -> str:
        """The id in the path. Raises NotFound for what cannot be one."""
        return queries.task_id(self.path.split("/")[2])

    def body(self, *fields: str) -> Data:
        """The body, an object with no other fields than these. Raises BadRequest."""
        sent = self.req.json()
        if not isinstance(sent, dict) or not set(sent) <= set(fields):
            raise BadRequest(f"Send an object with {', '.join(fields) or 'nothing in it'}.")
        return sent

    def tell(self, action: str, target: str, outcome: str, number: int = 1) -> None:
        self.dashboard.audit.tell(AuditEvent(self.viewer.name, action, target, outcome, number, self.req.ip))


@dataclass(frozen=True, slots=True)
class Endpoint:
    needs: Needs
    answer: Callable[[Asked], Awaitable[Data | None]]


# -- looking -------------------------------------------------------------------------------------------


def _subject(asked: Asked, view: str) -> Subject:
    """What a request looks at, wherever it comes from: once, or as a stream."""
    req, engine = asked.req, asked.dashboard.engine
    if view == "overview":
        window = queries.window(req)
        return Subject((view, window), lambda: views.overview(engine, window))
    if view == "tasks":
        which, after, limit = queries.filter_of(req), req.query("after") or None, queries.rows(req)
        return Subject((view, which, after, limit), lambda: views.tasks(engine, which, after, limit))
    if view == "task":
        task_id = queries.task_id(req.query("id"))
        return Subject((view, task_id), lambda: views.task(engine, task_id), always=True)
    if view == "queues":
        return Subject((view,), dict)
    if view == "recurring":
        return Subject((view,), lambda: views.recurring(engine))
    if view == "workers":
        return Subject((view,), lambda: views.workers(engine), always=True)
    raise NotFound("There is no such view.")


def _look(view: str) -> Endpoint:
    async def answer(asked: Asked) -> Data:
        subject = _subject(asked, view)
        return await aside(subject.read)

    return Endpoint("read", answer)


async def _task(asked: Asked) -> Data:
    task_id = asked.task_id
    return await aside(views.task, asked.dashboard.engine, task_id)


async def _summary(asked: Asked) -> Data:
    return await aside(views.summary, asked.dashboard.engine)


async def _session(asked: Asked) -> Data:
    settings = asked.dashboard.engine.settings
    return {
        "viewer": asked.viewer.name,
        "act": asked.viewer.act,
        "arguments": asked.viewer.arguments,
        "can_sign_out": asked.dashboard.door.has_login,
        "store": settings.task_store.partition("://")[0],
    }


async def _events(asked: Asked) -> None:
    subject = _subject(asked, asked.req.query("view") or "overview")
    asked.res.sse(asked.dashboard.live.stream(subject))


async def _arguments(asked: Asked) -> Data:
    task_id, dashboard = asked.task_id, asked.dashboard
    record = await aside(dashboard.engine.store.get, task_id)
    if record is None:
        raise NotFound("There is no such task, or it is no longer kept.")
    asked.tell("see arguments", task_id, "done")
    shown = dashboard.shown
    return {
        "arguments": [
            {"name": name, "text": text}
            for name, text in shown.call(record.spec.target, record.args, record.kwargs)
        ],
        "result": shown.value(record.result) if record.status is TaskStatus.COMPLETED else None,
    }


async def _preview(asked: Asked) -> Data:
    """How many tasks a filter means at this moment. What is submitted later is not among them."""
    engine = asked.dashboard.engine
    which = queries.filter_of(asked.req)
    counted = await aside(actions.preview, engine, which)
    return {"number": counted.number, "is_all": counted.is_all, "until": engine.clock.wall()}


# -- acting --------------------------------------------------------------------------------------------


def _act(action: str) -> Endpoint:
    async def answer(asked: Asked) -> Data:
        task_id = asked.task_id
        asked.body()
        made = await aside(actions.one_of(action), asked.dashboard.engine, task_id)
        asked.tell(action, task_id, "refused" if made is None else "done")
        if made is None:
            known = await aside(asked.dashboard.engine.store.get, task_id)
            if known is None:
                raise NotFound("There is no such task, or it is no longer kept.")
            raise Conflict(_CANNOT[action].format(status=known.status.value))
        return {"id": made}

    return Endpoint("act", answer)


_CANNOT = {
    "retry": "Only a task that has ended can be submitted anew; this one is {status}.",
    "cancel": "It has ended already: {status}.",
    "delete": "Only a task that has ended can be deleted; this one is {status}.",
    "run": "Only a delayed task can be started early; this one is {status}.",
}


async def _bulk(asked: Asked) -> Data:
    """A part of what a filter means, or of the ids given: `after` is sent back to go on with the next."""
    sent = asked.body("action", "filter", "ids", "after")
    action, after, engine = sent.get("action"), sent.get("after"), asked.dashboard.engine
    actions.one_of(action)
    assert isinstance(action, str)
    if after is not None and not isinstance(after, str):
        raise BadRequest("after has to be from an earlier answer.")
    if "ids" in sent:
        ids = sent["ids"]
        if not isinstance(ids, list) or len(ids) > actions.AT_ONCE:
            raise BadRequest(f"ids has to be a list of at most {actions.AT_ONCE}.")
        task_ids, after = [queries.task_id(one) for one in ids], None
        target = f"{len(task_ids)} chosen tasks"
    else:
        which = queries.make_filter(sent.get("filter"))
        if which.until is None:
            raise BadRequest("A filter for many tasks needs until, the moment of its preview.")
        found = await aside(engine.store.ids, which, after, actions.AT_ONCE)
        task_ids, after = found.ids, found.after
        target = str(which)
    done = await aside(actions.each, engine, action, task_ids)
    asked.tell(f"{action} many", target, "done", done)
    return {"done": done, "seen": len(task_ids), "after": after}


async def _set_queue(asked: Asked) -> Data:
    sent = asked.body("queue", "paused", "limit")
    name = sent.pop("queue", None)
    if not isinstance(name, str):
        raise BadRequest("Say which queue.")
    await aside(actions.set_queue, asked.dashboard.engine, name, sent)
    asked.tell("set queue", f"{name}: {sent}", "done")
    return {}


async def _logout(asked: Asked) -> Data:
    if isinstance(asked.dashboard.door, Tokens):
        asked.dashboard.door.sign_out(asked.req, asked.res)
    return {}


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "api/session"): Endpoint("read", _session),
    ("GET", "api/summary"): Endpoint("read", _summary),
    ("GET", "api/overview"): _look("overview"),
    ("GET", "api/tasks"): _look("tasks"),
    ("GET", "api/tasks/*"): Endpoint("read", _task),
    ("GET", "api/tasks/*/arguments"): Endpoint("arguments", _arguments),
    ("GET", "api/recurring"): _look("recurring"),
    ("GET", "api/workers"): _look("workers"),
    ("GET", "api/preview"): Endpoint("read", _preview),
    ("GET", "api/events"): Endpoint("read", _events),
    ("POST", "api/logout"): Endpoint("read", _logout),
    ("POST", "api/bulk"): Endpoint("act", _bulk),
    ("POST", "api/queues"): Endpoint("act", _set_queue),
    **{("POST", f"api/tasks/*/{action}"): _act(action) for action in actions.ACTIONS},
}
