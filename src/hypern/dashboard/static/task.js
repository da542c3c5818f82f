// One task: what became of it, step by step, and what can be done about it.

import { html, useEffect, useState, clockTime, count, duration, many, moment, now, place, go, useSeconds } from "./base.js";
import { get, post } from "./server.js";
import { Bar, Card, Confirm, Empty, Ghosts, Icon, Name, State, When, stateOf, useDoing, useSession } from "./parts.js";

export function Task({ live, id }) {
  const { view, message } = live;
  if (view === null) {
    return html`<${Crumbs} id=${id} /><section class="card"><${Empty} icon="tasks" title="This task is not here">${message}<//></section>`;
  }
  if (!view) return html`<${Crumbs} id=${id} /><section class="card"><${Ghosts} lines=${9} /></section>`;
  const state = stateOf(view);
  const traceback = view.attempts.length ? null : view.traceback;
  return html`<${Crumbs} id=${id} />
    <div class="task-head">
      <div><h1 class="text"><${Name} of=${view.name} /></h1>
        <div class="line"><${State} of=${state} /><${Copy} text=${view.id} />${view.origin && html`<span class="muted small">repeats <a class="link mono" href=${place("tasks", view.origin)}>${view.origin}</a></span>`}</div>
      </div>
      <${Actions} task=${view} state=${state} />
    </div>
    <p class=${`says text ${state}`}>${view.explained}</p>
    ${view.progress && html`<div><${Bar} big fraction=${view.progress.fraction} /><p class="small muted text" style=${{ marginTop: "6px" }}>${Math.round(view.progress.fraction * 100)} %${view.progress.message ? ` · ${view.progress.message}` : ""}</p></div>`}
    <div class="wide-and-narrow">
      <div class="stack">
        <${Card} title="Timeline" id="timeline"><div class="inside"><${Timeline} task=${view} state=${state} /></div><//>
        ${view.attempts.length > 0 && html`<${Card} title=${many(view.attempts.length, "failed attempt")} id="attempts">${[...view.attempts].reverse().map((attempt, i) => html`<${Attempt} key=${attempt.number} attempt=${attempt} open=${i === 0 && view.status === "failed"} />`)}<//>`}
        ${traceback && html`<${Card} title="Traceback" id="traceback"><pre class="text" tabindex="0">${traceback}</pre><//>`}
        <${Lines} lines=${view.lines} running=${view.status === "running"} />
      </div>
      <div class="stack">
        <${Card} title="Details" id="details"><div class="inside"><${Facts} task=${view} /></div><//>
        <${Arguments} task=${view} />
      </div>
    </div>`;
}

function Crumbs({ id }) {
  return html`<nav class="crumbs" aria-label="Path"><a href="#/tasks">Tasks</a><${Icon} name="right" /><span class="clip mono">${id}</span></nav>`;
}

function Copy({ text }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text).catch(() => {});
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<button class="button quiet copy" title="Copy the id" onClick=${copy}>${copied ? "Copied" : text}</button>`;
}

function Actions({ task, state }) {
  const { act } = useSession();
  const [doing, run] = useDoing();
  const [asking, setAsking] = useState(null);
  if (!act) return null;
  const ended = ["completed", "failed", "cancelled"].includes(task.status);
  const path = `tasks/${encodeURIComponent(task.id)}`;
  const retry = () => run(() => post(`${path}/retry`), (answer) => ({ text: "Submitted anew.", href: place("tasks", answer.id), link: "Open it" }));
  const cancel = () => run(() => post(`${path}/cancel`), task.status === "running" ? "It has been asked to stop." : "Cancelled.");
  const remove = async () => (await run(() => post(`${path}/delete`), "Deleted.")) && go(place("tasks"));
  return html`<div class="buttons">
    ${state === "delayed" && html`<button class="button" data-act="run" disabled=${doing} onClick=${() => run(() => post(`${path}/run`), "It waits for a worker now.")}>Run now</button>`}
    ${ended && html`<button class=${`button ${task.status === "failed" ? "primary" : ""}`} data-act="retry" disabled=${doing} onClick=${() => (task.status === "completed" ? setAsking("retry") : retry())}>Retry</button>`}
    ${!ended && state !== "stopping" && html`<button class="button danger" data-act="cancel" disabled=${doing} onClick=${() => setAsking("cancel")}>Cancel</button>`}
    ${ended && html`<button class="button danger" data-act="delete" disabled=${doing} onClick=${() => setAsking("delete")}>Delete</button>`}
    ${asking === "retry" && html`<${Confirm} title="Run it once more?" verb="Run again" onYes=${retry} onClose=${() => setAsking(null)}>It has completed. A new task with the same arguments is submitted.<//>`}
    ${asking === "cancel" && html`<${Confirm} title="Cancel this task?" verb="Cancel task" danger onYes=${cancel} onClose=${() => setAsking(null)}>${task.status === "running" ? "It is asked to stop. A coroutine stops at its next await, a plain function when it looks." : "It will not run."}<//>`}
    ${asking === "delete" && html`<${Confirm} title="Delete this task?" verb="Delete" danger onYes=${remove} onClose=${() => setAsking(null)}>Its result, errors and log lines are gone for good.<//>`}
  </div>`;
}

function Timeline({ task, state }) {
  useSeconds();
  const end = task.finished || now();
  const steps = [{ icon: "waiting", words: "Submitted", at: task.submitted }];
  if (task.due) steps.push({ icon: "delayed", words: "May start", at: task.due });
  else if (task.ready && task.ready - task.submitted > 0.05) steps.push({ icon: "waiting", words: "Ready for a worker", at: task.ready });
  for (const attempt of task.attempts) {
    if (attempt.number === task.attempt && task.status === "failed") continue;
    steps.push({ icon: "failed", words: `Attempt ${attempt.number} failed`, at: attempt.finished, sub: attempt.error, took: attempt.finished && attempt.started ? attempt.finished - attempt.started : null });
  }
  if (task.started && task.status !== "pending") {
    steps.push({ icon: "running", words: task.attempt > 1 ? `Attempt ${task.attempt} started` : "Started", at: task.started, sub: `after ${duration(task.started - Math.max(task.ready || 0, task.submitted))} of waiting` });
  }
  if (task.finished) steps.push({ icon: task.status, words: { completed: "Completed", failed: "Failed", cancelled: "Cancelled" }[task.status], at: task.finished, sub: task.status === "failed" ? task.error : task.reason, took: task.started ? task.finished - task.started : null });
  // A retry is ready after the attempt that it repeats has failed.
  steps.sort((one, other) => (one.at || 0) - (other.at || 0));
  const ran = task.started && task.status !== "pending" ? end - task.started : 0;
  const waited = Math.max(0, end - task.submitted - ran);
  const part = (seconds) => ({ width: `${(100 * seconds) / Math.max(waited + ran, 1e-9)}%` });
  return html`
    <div class="span" aria-hidden="true"><i title=${`before: ${duration(waited)}`} style=${part(waited)}></i>${ran > 0 && html`<i class=${task.finished ? task.status : "ran"} title=${`ran: ${duration(ran)}`} style=${part(ran)}></i>`}</div>
    <ol class="steps">${steps.map((step) => html`<li>
      <span class=${step.icon}><${Icon} name=${step.icon} /></span><span>${step.words}${step.took !== null && step.took !== undefined && html` <span class="muted">after ${duration(step.took)}</span>`}</span>
      <span class="muted nowrap"><${When} at=${step.at} /></span>${step.sub && html`<span class="sub text" style=${{ overflowWrap: "anywhere" }}>${step.sub}</span>`}
    </li>`)}</ol>`;
}

function Attempt({ attempt, open }) {
  return html`<details class="attempt" open=${open}>
    <summary><span class="muted nowrap">Attempt ${attempt.number}</span><span class="clip failed text">${attempt.error}</span><span class="muted"><${When} at=${attempt.finished} /></span></summary>
    <pre class="text" tabindex="0">${attempt.traceback || "No traceback was kept."}</pre>
  </details>`;
}

const LEVELS = [[50, "critical"], [40, "error"], [30, "warning"], [20, "info"], [0, "debug"]];

function Lines({ lines, running }) {
  return html`<${Card} title="Log" id="log" aside=${lines.length > 0 && html`<span class="muted small">${many(lines.length, "line")}</span>`}>
    ${lines.length
      ? html`<ol class="lines" tabindex="0">${lines.map((line) => {
          const level = LEVELS.find(([least]) => line.level >= least)[1];
          return html`<li title=${`${line.logger} · ${moment(line.at)}`}><span class="muted">${clockTime(line.at)}</span><span class=${`level ${level}`}>${level}</span><span class="said text">${line.text}</span></li>`;
        })}</ol>`
      : html`<div class="inside muted">${running ? "It has not logged anything yet." : "It has logged nothing that was kept. Hypern(task_log_level=\"INFO\") keeps lines from that level on that the loggers let through; logging.basicConfig(level=\"INFO\") makes them."}</div>`}
  <//>`;
}

function Facts({ task }) {
  const { rules } = task;
  const facts = [
    ["Queue", html`<a class="link" href=${place("tasks", null, { queue: task.queue })}>${task.queue}</a>`],
    ["Task", html`<a class="link" href=${place("tasks", null, { name: task.name })}>All of this name</a>`],
    ["Attempt", !task.attempt ? html`<span class="muted">none yet</span>` : rules.retries ? `${task.attempt} of ${rules.retries + 1}` : count(task.attempt)],
    ["Priority", count(task.priority)],
    ["Runs in", rules.isolate ? "a process of its own" : task.lane === "loop" ? "the task loop" : "a thread"],
    ["Submitted", moment(task.submitted)],
    task.started && task.status !== "pending" && ["Started", moment(task.started)],
    task.finished && ["Ended", moment(task.finished)],
    task.due && ["May start", moment(task.due)],
    task.expires && ["Expires", moment(task.expires)],
    rules.timeout && ["May take", duration(rules.timeout)],
    rules.rate && ["Rate", `${rules.rate} per second`],
    rules.on_crash === "fail" && ["If its worker dies", "it fails"],
    task.lost > 0 && ["Workers lost", count(task.lost)],
  ].filter(Boolean);
  return html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

// Hidden until asked for, and each look is written to the audit log.
function Arguments({ task }) {
  const session = useSession();
  const [doing, run] = useDoing();
  const [shown, setShown] = useState(null);
  const show = async () => setShown(await run(() => get(`tasks/${encodeURIComponent(task.id)}/arguments`)));
  // Its end brings a result.
  useEffect(() => { if (shown) show(); }, [task.finished]);
  return html`<${Card} title="Arguments and result" id="arguments" aside=${shown && html`<button class="button quiet" onClick=${() => setShown(null)}>Hide</button>`}>
    <div class="inside">
      ${!session.arguments && html`<p class="muted">Hidden. Your sign-in does not include the permission to see them.</p>`}
      ${session.arguments && !shown && html`<button class="button" data-act="arguments" disabled=${doing} onClick=${show}><${Icon} name="hidden" />Show</button>`}
      ${shown && html`<dl>${shown.arguments.map(({ name, text }) => html`<div class="argument"><dt class="text">${name}</dt><dd class="text">${text}</dd></div>`)}
        ${!shown.arguments.length && html`<p class="muted">Called without arguments.</p>`}
        ${shown.result !== null && html`<div class="argument"><dt>result</dt><dd class="text">${shown.result}</dd></div>`}</dl>`}
      ${task.omitted && html`<p class="muted small text" style=${{ marginTop: "8px" }}>The result was not kept: ${task.omitted}</p>`}
    </div>
  <//>`;
}
