// The list of tasks: what is meant stands in the address, the newest come first.

import { html, useEffect, useMemo, useRef, useState, count, short, duration, place, go, now, useSeconds } from "./base.js";
import { get } from "./server.js";
import { Bar, Empty, Ghosts, Icon, Name, State, When, stateOf, useSession } from "./parts.js";
import { Bulk, ELIGIBLE } from "./bulk.js";

const TABS = [["", "All"], ["pending", "Waiting"], ["running", "Running"], ["completed", "Completed"], ["failed", "Failed"], ["cancelled", "Cancelled"]];
const FIELDS = ["status", "queue", "name", "text", "since"];
const TIMES = [["", "Any time"], ["3600", "Last hour"], ["86400", "Last 24 hours"], ["604800", "Last 7 days"]];
const TYPED = 250;

// The address says how far back; the server is asked from a moment on, which must not move with each look.
export function serverQuery(query, opened) {
  const asked = new URLSearchParams();
  for (const field of FIELDS) {
    const value = query.get(field);
    if (!value) continue;
    asked.set(field, field === "since" ? String(Math.floor(opened - Number(value) || 0)) : value);
  }
  return asked;
}

export function Tasks({ live, query, asked }) {
  const { view, summary } = live;
  const { act } = useSession();
  const [older, setOlder] = useState({ rows: [], after: undefined, loading: false, trouble: null });
  const [picked, setPicked] = useState(new Set());
  const [bulk, setBulk] = useState(null);
  const key = asked.toString();

  useEffect(() => {
    setOlder({ rows: [], after: undefined, loading: false, trouble: null });
    setPicked(new Set());
    setBulk(null);
  }, [key]);

  const change = (fields, replace) => {
    const next = Object.fromEntries(FIELDS.map((field) => [field, query.get(field) || ""]));
    go(place("tasks", null, { ...next, ...fields }), replace);
  };

  const rows = useMemo(() => {
    if (!view) return [];
    const seen = new Set(view.rows.map((task) => task.id));
    return [...view.rows, ...older.rows.filter((task) => !seen.has(task.id))];
  }, [view, older.rows]);

  const after = older.after === undefined ? view && view.after : older.after;

  async function more() {
    setOlder((before) => ({ ...before, loading: true, trouble: null }));
    try {
      const next = new URLSearchParams(asked);
      next.set("after", after);
      const page = await get("tasks", next);
      setOlder((before) => ({ rows: [...before.rows, ...page.rows], after: page.after, loading: false, trouble: null }));
    } catch (error) {
      setOlder((before) => ({ ...before, loading: false, trouble: error.message }));
    }
  }

  const filtered = FIELDS.some((field) => field !== "status" && query.get(field));
  return html`
    <div class="head"><h1>Tasks</h1>${filtered && html`<a class="link small" href=${place("tasks", null, { status: query.get("status") })}>Clear filters</a>`}</div>
    <nav class="tabs" aria-label="State">
      ${TABS.map(([status, words]) => html`<a href=${place("tasks", null, { ...Object.fromEntries(query), status })}
        aria-current=${(query.get("status") || "") === status ? "page" : undefined}>${words}
        ${summary && status && html`<b title=${count(number(summary.totals, status))}>${short(number(summary.totals, status))}</b>`}</a>`)}
    </nav>
    <${Filters} query=${query} change=${change} queues=${summary ? summary.queues : []} />
    <section class="card" aria-label="Tasks found" aria-busy=${String(!view)}>
      ${act && view && rows.length > 0 && html`<${Picked} rows=${rows} picked=${picked} setPicked=${setPicked} query=${query} open=${(what) => setBulk({ ...what, asked })} />`}
      ${!view
        ? html`<${Ghosts} lines=${10} />`
        : rows.length
          ? html`<${Table} rows=${rows} picked=${picked} setPicked=${setPicked} act=${act} />`
          : after
            ? html`<${Empty} icon="search" title="Nothing yet">Among the newest tasks there is none like this. The search goes on where you want it to.<//>`
            : html`<${Nothing} filtered=${filtered} status=${query.get("status")} />`}
      ${view && after && html`<div class="more"><button class="button" disabled=${older.loading} onClick=${more}>
        ${older.loading ? "Loading…" : rows.length && !query.get("text") ? "Load older" : "Search further back"}</button></div>`}
      ${older.trouble && html`<p class="problem more" role="alert">${older.trouble}</p>`}
    </section>
    ${bulk && html`<${Bulk} ...${bulk} onClose=${() => setBulk(null)} onDone=${() => setPicked(new Set())} />`}`;
}

const number = (totals, status) => (status === "pending" ? totals.waiting + totals.delayed : totals[status]);

function Nothing({ filtered, status }) {
  if (filtered) return html`<${Empty} icon="search" title="No task is like this">Another search, or fewer filters, may find it. Ended tasks are kept for a time only.<//>`;
  if (status === "failed") return html`<${Empty} icon="completed" title="Nothing has failed" />`;
  if (status) return html`<${Empty} icon="tasks" title=${`No task is ${status === "pending" ? "waiting" : status}`} />`;
  return html`<${Empty} icon="tasks" title="No tasks yet">They appear here as soon as the first one is submitted.<//>`;
}

function Filters({ query, change, queues }) {
  const [names, setNames] = useState([]);
  useEffect(() => {
    get("overview", "window=86400").then((said) => setNames(said.names.map((one) => one.name)), () => {});
  }, []);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <div class="search"><${Icon} name="search" />
      <${Typed} id="search" type="search" label="Search" placeholder="Search id, name or error" value=${query.get("text") || ""} onText=${(text) => change({ text }, true)} /><kbd aria-hidden="true">/</kbd>
    </div>
    <${Typed} class="name" type="text" label="Task name" placeholder="Task name" list="names" value=${query.get("name") || ""} onText=${(name) => change({ name }, true)} />
    <datalist id="names">${names.map((name) => html`<option value=${name} />`)}</datalist>
    <select aria-label="Queue" value=${query.get("queue") || ""} onChange=${(event) => change({ queue: event.target.value })}>
      <option value="">All queues</option>
      ${withCurrent(queues.map((queue) => queue.name), query.get("queue")).map((name) => html`<option value=${name}>${name}</option>`)}
    </select>
    <select aria-label="Submitted" value=${query.get("since") || ""} onChange=${(event) => change({ since: event.target.value })}>
      ${TIMES.map(([value, words]) => html`<option value=${value}>${words}</option>`)}
    </select>
  </form>`;
}

const withCurrent = (names, current) => (current && !names.includes(current) ? [...names, current] : names);

// A field that tells what is typed when the typing pauses.
function Typed({ label, value, onText, ...rest }) {
  const timer = useRef(null);
  const field = useRef(null);
  useEffect(() => {
    if (document.activeElement !== field.current) field.current.value = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = (event) => {
    const text = event.target.value.trim();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onText(text), TYPED);
  };
  return html`<input ref=${field} aria-label=${label} defaultValue=${value} autocomplete="off" spellcheck="false" maxlength="200" onInput=${typed} ...${rest} />`;
}

function Picked({ rows, picked, setPicked, query, open }) {
  const all = rows.length > 0 && rows.every((task) => picked.has(task.id));
  const toggle = () => setPicked(all ? new Set() : new Set(rows.map((task) => task.id)));
  const chosen = rows.filter((task) => picked.has(task.id));
  const status = query.get("status");
  const can = (action) =>
    chosen.length ? chosen.some((task) => ELIGIBLE[action].includes(task.status)) : !status || ELIGIBLE[action].includes(status);
  const start = (action) => open({ action, ids: chosen.length ? chosen.filter((task) => ELIGIBLE[action].includes(task.status)).map((task) => task.id) : null });
  return html`<div class="picked">
    <input type="checkbox" id="all" checked=${all} onChange=${toggle} aria-label="Choose all tasks shown" />
    <label class="say" for="all">${chosen.length ? html`<strong>${count(chosen.length)}</strong> chosen` : "All that match"}</label>
    <div class="doings">${["retry", "cancel", "run", "delete"].filter(can).map((action) => html`<button class=${`button ${action === "delete" ? "danger" : ""}`} data-bulk=${action} onClick=${() => start(action)}>${LABELS[action][chosen.length ? 0 : 1]}</button>`)}</div>
  </div>`;
}

const LABELS = { retry: ["Retry", "Retry all…"], cancel: ["Cancel", "Cancel all…"], run: ["Run now", "Run all now…"], delete: ["Delete", "Delete all…"] };

function Table({ rows, picked, setPicked, act }) {
  useSeconds();
  const toggle = (id) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  };
  return html`<table class="rows">
    <thead><tr>${act && html`<th class="check"><span class="hidden-text">Chosen</span></th>`}
      <th class="status"><span class="hide-small">State</span></th><th>Task</th><th class="queue">Queue</th><th class="tries number">Attempt</th>
      <th class="took number">Waited</th><th class="took number">Ran</th><th class="when number">Submitted</th></tr></thead>
    <tbody>${rows.map((task) => html`<${Row} key=${task.id} task=${task} act=${act} picked=${picked.has(task.id)} toggle=${toggle} />`)}</tbody>
  </table>`;
}

function Row({ task, act, picked, toggle }) {
  const state = stateOf(task);
  const sub = task.status === "completed" || !task.error ? task.reason || (task.progress && task.progress.message) : task.error;
  const end = task.finished || now();
  return html`<tr class=${picked ? "is-picked" : ""} data-id=${task.id} data-state=${state}>
    ${act && html`<td class="check"><span class="check-area"><input type="checkbox" checked=${picked} onChange=${() => toggle(task.id)} aria-label=${`Choose ${task.id}`} /></span></td>`}
    <td class="status"><${State} of=${state} /></td>
    <td><a class="title clip text" href=${place("tasks", task.id)} title=${task.name}><${Name} of=${task.name} /></a>
      <div class=${`sub clip text ${task.status === "failed" ? "failed" : ""}`} title=${sub || task.id}>${task.due ? html`<${Due} at=${task.due} />` : sub || html`<span class="mono">${task.id}</span>`}</div>
      ${task.status === "running" && task.progress && html`<${Bar} fraction=${task.progress.fraction} />`}</td>
    <td class="queue clip" title=${task.queue}>${task.queue}</td>
    <td class="tries number">${task.attempt || "–"}</td>
    <td class="took number nowrap muted">${task.due ? "–" : duration((task.started || end) - Math.max(task.ready || 0, task.submitted))}</td>
    <td class="took number nowrap">${task.started && task.status !== "pending" ? duration(end - task.started) : "–"}</td>
    <td class="when number muted"><${When} at=${task.submitted} /></td>
  </tr>`;
}

function Due({ at }) {
  return html`<span>starts <${When} at=${at} /></span>`;
}
