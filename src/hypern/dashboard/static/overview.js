// How things are: counts, the last minutes as lines, the tasks by name, what runs and what failed.

import { html, count, short, duration, per, percent, place, go, useSeconds, now } from "./base.js";
import { Bar, Card, Empty, Ghosts, Icon, Name, When, WORDS, stateOf } from "./parts.js";
import { Chart } from "./charts.js";

const WINDOWS = [[900, "15 min"], [3600, "1 h"], [21600, "6 h"], [86400, "24 h"]];
const STATES = ["waiting", "delayed", "running", "completed", "failed", "cancelled"];
const QUERY = { waiting: "pending", delayed: "pending" };

export function Overview({ live, query }) {
  const { view, summary } = live;
  const seconds = Number(query.get("window")) || 3600;
  return html`
    <div class="head">
      <h1>Overview</h1>
      <div class="segments" role="group" aria-label="Time shown">
        ${WINDOWS.map(([size, words]) => html`<button type="button" aria-pressed=${String(size === seconds)}
          onClick=${() => go(place("overview", null, { window: size === 3600 ? "" : size }), true)}>${words}</button>`)}
      </div>
    </div>
    <${Stats} totals=${summary && summary.totals} />
    <div class="pair">
      <${Card} title="Ended per minute" id="throughput">${view ? html`<${Throughput} series=${view.series} />` : html`<${Ghosts} />`}<//>
      <${Card} title="Time taken" id="latency">${view ? html`<${Latency} series=${view.series} />` : html`<${Ghosts} />`}<//>
    </div>
    <div class="wide-and-narrow">
      <${Card} title="By task" id="names">${view ? html`<${Names} names=${view.names} />` : html`<${Ghosts} lines=${8} />`}<//>
      <div class="stack">
        <${Card} title="Running now" id="now" aside=${html`<a class="link small" href="#/workers">Workers</a>`}>
          ${view ? html`<${Running} rows=${view.running} />` : html`<${Ghosts} lines=${3} />`}
        <//>
        <${Card} title="Latest failures" id="failures" aside=${html`<a class="link small" href=${place("tasks", null, { status: "failed" })}>All</a>`}>
          ${view ? html`<${Failures} rows=${view.failed} />` : html`<${Ghosts} lines=${3} />`}
        <//>
      </div>
    </div>`;
}

function Stats({ totals }) {
  return html`<dl class="card stats">
    ${STATES.map((state) => html`<a href=${place("tasks", null, { status: QUERY[state] || state })}>
      <dt class=${state}><${Icon} name=${state} turns=${state === "running" && totals && totals.running > 0} />${WORDS[state]}</dt>
      ${totals
        ? html`<dd class=${totals[state] ? "" : "zero"} title=${count(totals[state])} data-count=${state}>${short(totals[state])}</dd>`
        : html`<dd><span class="ghost" style=${{ width: "48px", margin: "11px 0" }}></span></dd>`}
    </a>`)}
  </dl>`;
}

const isEmpty = (...lines) => lines.every((line) => line.every((value) => !value));

function Throughput({ series }) {
  if (isEmpty(series.completed, series.failed)) return html`<div class="chart-empty">No task has ended in this time.</div>`;
  return html`<${Chart} data=${series} label="Tasks ended per minute" format=${per} lines=${[
    { key: "completed", label: "Completed", colour: "completed", fill: true },
    { key: "failed", label: "Failed attempts", colour: "failed", fill: true },
  ]} />`;
}

function Latency({ series }) {
  if (isEmpty(series.p50, series.waited)) return html`<div class="chart-empty">No task has run in this time.</div>`;
  return html`<${Chart} data=${series} label="Seconds that tasks ran and waited" format=${duration} log=${true} lines=${[
    { key: "p50", label: "Ran, median", colour: "running" },
    { key: "p95", label: "Ran, 95 %", colour: "delayed" },
    { key: "waited", label: "Waited, 95 %", colour: "muted", dashed: true },
  ]} />`;
}

function Names({ names }) {
  if (!names.length) return html`<${Empty} icon="overview" title="Nothing has ended in this time">Numbers appear here as soon as the first task has ended.<//>`;
  return html`<div class="scrolls"><table class="stacks four narrow">
    <thead><tr><th>Task</th><th class="number">Per min</th><th class="number" title="Attempts that ended, also those with another one to follow">Ended</th><th class="number" title="Of the attempts that ran">Failed</th>
      <th class="number">Median</th><th class="number">95 %</th><th class="number hide-medium">99 %</th><th class="number">Waited 95 %</th></tr></thead>
    <tbody>${names.map((one) => html`<tr key=${one.name}>
      <td class="named"><a class="text" href=${place("tasks", null, { name: one.name })}><${Name} of=${one.name} /></a></td>
      <td class="number hide-small">${per(one.per_minute)}</td>
      <td class="number" data-label="Ended" title=${count(one.ended)}>${short(one.ended)}</td>
      <td class="number nowrap" data-label="Failed">${one.failure_rate
        ? html`<span class="rate failed"><span class="bar"><span style=${{ width: `${Math.max(4, one.failure_rate * 100)}%` }}></span></span>${percent(one.failure_rate)}</span>`
        : html`<span class="muted">${percent(one.failure_rate)}</span>`}</td>
      <td class="number nowrap" data-label="Median">${duration(one.p50)}</td><td class="number nowrap" data-label="95 %">${duration(one.p95)}</td>
      <td class="number nowrap hide-medium">${duration(one.p99)}</td><td class="number nowrap muted hide-small">${duration(one.waited)}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

export function Running({ rows }) {
  useSeconds();
  if (!rows.length) return html`<${Empty} icon="running" title="Nothing is running" />`;
  return html`<ul class="list">${rows.map((task) => html`<li key=${task.id}><a href=${place("tasks", task.id)}>
    <span class="clip text"><${Name} of=${task.name} /></span><span class="muted nowrap">${duration(now() - task.started)}</span>
    <span class="sub clip text">${task.progress && task.progress.message ? task.progress.message : `${task.queue} · attempt ${task.attempt}`}${stateOf(task) === "stopping" ? " · asked to stop" : ""}</span>
    ${task.progress && html`<${Bar} fraction=${task.progress.fraction} label=${`Progress of ${task.name}`} />`}
  </a></li>`)}</ul>`;
}

function Failures({ rows }) {
  if (!rows.length) return html`<${Empty} icon="completed" title="No failures">Nothing that is kept has failed.<//>`;
  return html`<ul class="list">${rows.map((task) => html`<li key=${task.id}><a href=${place("tasks", task.id)}>
    <span class="clip text"><${Name} of=${task.name} /></span><span class="muted"><${When} at=${task.finished} /></span>
    <span class="sub clip failed text" title=${task.error}>${task.error}</span>
  </a></li>`)}</ul>`;
}

