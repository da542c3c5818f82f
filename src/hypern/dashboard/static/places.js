// Queues, recurring tasks and workers.

import { html, useState, count, duration, moment, now, place, useSeconds } from "./base.js";
import { post } from "./server.js";
import { Card, Dialog, Empty, Ghosts, Name, State, When, useDoing, useSession } from "./parts.js";
import { Running } from "./overview.js";

// -- queues ------------------------------------------------------------------------------------------

export function Queues({ live }) {
  const { act } = useSession();
  const [limiting, setLimiting] = useState(null);
  const queues = live.summary && live.summary.queues;
  return html`<div class="head"><h1>Queues</h1></div>
    <section class="card" aria-label="Queues">
      ${!queues && html`<${Ghosts} />`}
      ${queues && !queues.length && html`<${Empty} icon="queues" title="No queues yet">A queue appears with its first task. Tasks without a queue of their own go to “default”.<//>`}
      ${queues && queues.length > 0 && html`<div class="scrolls"><table class="middle stacks three">
        <thead><tr><th>Queue</th><th class="number">Waiting</th><th class="number">Delayed</th><th class="number">Running</th><th class="number">Completed</th><th class="number">Failed</th><th class="number">Cancelled</th><th class="number hide-medium" title="All that were ever submitted, with those that are no longer kept">Submitted</th>${act && html`<th></th>`}</tr></thead>
        <tbody>${queues.map((queue) => html`<${Queue} key=${queue.name} queue=${queue} act=${act} limit=${() => setLimiting(queue)} />`)}</tbody>
      </table></div>`}
    </section>
    ${limiting && html`<${Limit} queue=${limiting} onClose=${() => setLimiting(null)} />`}`;
}

function Queue({ queue, act, limit }) {
  const [doing, run] = useDoing();
  const pause = () => run(() => post("queues", { queue: queue.name, paused: !queue.paused }), queue.paused ? `${queue.name} goes on.` : `${queue.name} is paused. What runs goes on.`);
  const cell = (status, number, label) => html`<td class="number" data-label=${label}><a class=${number ? "" : "muted"} href=${place("tasks", null, { queue: queue.name, status })}>${count(number)}</a></td>`;
  return html`<tr data-queue=${queue.name}>
    <td><a class="link" href=${place("tasks", null, { queue: queue.name })}>${queue.name}</a> ${queue.paused && html`<${State} of="paused" />`}</td>
    ${cell("pending", queue.waiting, "Waiting")}${cell("pending", queue.delayed, "Delayed")}
    <td class="number nowrap" data-label="Running"><a class=${queue.running ? "" : "muted"} href=${place("tasks", null, { queue: queue.name, status: "running" })}>${count(queue.running)}${queue.limit !== null && html` <span class="muted">of ${count(queue.limit)}</span>`}</a></td>
    ${cell("completed", queue.completed, "Completed")}${cell("failed", queue.failed, "Failed")}${cell("cancelled", queue.cancelled, "Cancelled")}
    <td class="number muted hide-medium">${count(queue.submitted)}</td>
    ${act && html`<td class="doing"><div class="buttons" style=${{ flexWrap: "nowrap", justifyContent: "flex-end" }}>
      <button class="button" data-act="limit" onClick=${limit}>Limit</button>
      <button class="button" data-act="pause" disabled=${doing} onClick=${pause}>${queue.paused ? "Resume" : "Pause"}</button></div></td>`}
  </tr>`;
}

function Limit({ queue, onClose }) {
  const [value, setValue] = useState(queue.limit === null ? "" : String(queue.limit));
  const [doing, run] = useDoing();
  const set = async (event) => {
    event.preventDefault();
    const limit = value.trim() === "" ? null : Number(value);
    if (await run(() => post("queues", { queue: queue.name, limit }), limit === null ? `${queue.name} has no limit.` : `${queue.name} runs at most ${limit} at once.`)) onClose();
  };
  return html`<${Dialog} label="Limit" onClose=${onClose}><form method="dialog" onSubmit=${set}>
    <h2>How many tasks of ${queue.name} may run at once?</h2>
    <p class="muted">In all processes together. Empty: any number.</p>
    <input type="number" min="1" step="1" aria-label="Limit" value=${value} onInput=${(event) => setValue(event.target.value)} autofocus />
    <div class="buttons"><button type="button" class="button" onClick=${onClose}>Back</button><button type="submit" class="button primary" disabled=${doing}>Set</button></div>
  </form><//>`;
}

// -- recurring ---------------------------------------------------------------------------------------

export function Recurring({ live }) {
  const recurring = live.view && live.view.recurring;
  return html`<div class="head"><h1>Recurring tasks</h1></div>
    <section class="card" aria-label="Recurring tasks">
      ${!live.view && html`<${Ghosts} />`}
      ${recurring && !recurring.length && html`<${Empty} icon="recurring" title="This process knows no recurring tasks">They are declared in code, with @every and @cron. A dashboard that was started on its own does not load that code: open the one in the app.<//>`}
      ${recurring && recurring.length > 0 && html`<div class="scrolls"><table class="stacks two">
        <thead><tr><th>Task</th><th>Runs</th><th>If missed</th><th class="number">Next</th></tr></thead>
        <tbody>${recurring.map((one) => html`<tr key=${`${one.name}${one.schedule}`}>
          <td><a class="link text" href=${place("tasks", null, { name: one.name })}><${Name} of=${one.name} /></a></td>
          <td class="text whole">${one.schedule}</td><td class="muted" data-label="If missed">${one.catch_up ? "made up for" : "skipped"}</td>
          <td class="number" data-label="Next"><${Next} at=${one.next} /></td>
        </tr>`)}</tbody></table></div>`}
    </section>`;
}

function Next({ at }) {
  if (at === null) return html`<span class="muted">never</span>`;
  return html`<span class="nowrap"><${When} at=${at} /><br /><span class="muted small">${moment(at)}</span></span>`;
}

// -- workers -----------------------------------------------------------------------------------------

export function Workers({ live }) {
  const { view } = live;
  return html`<div class="head"><h1>Workers</h1></div>
    <div class="wide-and-narrow">
      <${Card} title="Processes" id="processes">${view ? html`<${Processes} view=${view} />` : html`<${Ghosts} />`}<//>
      <${Card} title="Running now" id="running" aside=${view && view.more && html`<span class="muted small">the newest ${count(view.running.length)}</span>`}>${view ? html`<${Running} rows=${view.running} />` : html`<${Ghosts} />`}<//>
    </div>`;
}

function Processes({ view }) {
  useSeconds();
  if (view.alone) return html`<${Empty} icon="workers" title="This process alone">Its tasks are kept in memory, and run here: ${count(view.threads)} threads for plain functions, one loop for coroutines.<//>`;
  if (!view.workers.length) return html`<${Empty} icon="warning" title="No process that runs tasks is alive">Start the app, or “hypern worker module:app”. What waits is kept until then.<//>`;
  return html`<div class="scrolls"><table>
    <thead><tr><th>Process</th><th>Host</th><th>Queues</th><th class="number">Threads</th><th class="number">Up for</th></tr></thead>
    <tbody>${view.workers.map((one) => html`<tr key=${one.id}>
      <td><strong>${one.pid}</strong>${one.unknown.length > 0 && html`<div class="small failed text" style=${{ overflowWrap: "anywhere" }}>does not find ${one.unknown.join(", ")}</div>`}</td>
      <td class="text" style=${{ overflowWrap: "anywhere" }}>${one.host}</td><td class="text">${one.queues ? one.queues.join(", ") : html`<span class="muted">all</span>`}</td>
      <td class="number">${count(one.threads)}</td><td class="number nowrap">${duration(now() - one.started)}</td>
    </tr>`)}</tbody></table></div>`;
}
