// The frame around the views: where we are, whether we are connected, and the keys.

import { html, render, useEffect, useMemo, useRef, useState, place, readPlace, short, go, now } from "./base.js";
import { get, post, useLive } from "./server.js";
import { Dialog, Empty, Icon, Session, Toasts } from "./parts.js";
import { Overview } from "./overview.js";
import { Tasks, serverQuery } from "./tasks.js";
import { Task } from "./task.js";
import { Queues, Recurring, Workers } from "./places.js";

const VIEWS = [["overview", "Overview"], ["tasks", "Tasks"], ["queues", "Queues"], ["recurring", "Recurring"], ["workers", "Workers"]];
const TOAST_FOR = 6000;

function usePlace() {
  const [where, setWhere] = useState(readPlace);
  useEffect(() => {
    const moved = () => setWhere(readPlace());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return where;
}

function useToasts() {
  const [items, setItems] = useState([]);
  const next = useRef(0);
  const drop = (key) => setItems((before) => before.filter((item) => item.key !== key));
  const say = (item) => {
    const key = next.current++;
    setItems((before) => [...before.slice(-3), { key, ...item }]);
    setTimeout(() => drop(key), item.good && !item.href ? TOAST_FOR : 2 * TOAST_FOR);
  };
  return [items, say, drop];
}

// What the server is asked for, from where we are.
function useQuery(where) {
  const opened = useMemo(() => now(), [where.query.get("since")]);
  const asked = useMemo(() => serverQuery(where.query, opened), [where, opened]);
  if (where.view === "tasks" && where.id) return [`view=task&id=${encodeURIComponent(where.id)}`, asked];
  if (where.view === "tasks") return [`view=tasks&${asked}`, asked];
  if (where.view === "overview") return [`view=overview&window=${encodeURIComponent(where.query.get("window") || 3600)}`, asked];
  return [`view=${VIEWS.some(([view]) => view === where.view) ? where.view : "queues"}`, asked];
}

function Page({ session }) {
  const where = usePlace();
  const [query, asked] = useQuery(where);
  const live = useLive(query);
  const [items, say, drop] = useToasts();
  const [help, setHelp] = useState(false);
  useKeys(() => setHelp(true));
  const known = useMemo(() => ({ ...session, say }), [session]);

  useEffect(() => {
    const words = (VIEWS.find(([view]) => view === where.view) || ["", "Not found"])[1];
    const failed = live.summary ? live.summary.totals.failed : 0;
    document.title = `${where.id || words} · Hypern${failed ? ` (${short(failed)} failed)` : ""}`;
  }, [where, live.summary]);
  useEffect(() => { scrollTo(0, 0); setHelp(false); }, [where.view, where.id]);

  return html`<${Session.Provider} value=${known}><div class="frame">
    <${Side} where=${where} live=${live} session=${session} openHelp=${() => setHelp(true)} />
    <main class=${`main${live.state === "lost" || live.trouble ? " is-old" : ""}`} id="main">
      <${Banners} live=${live} /><${View} where=${where} live=${live} asked=${asked} />
    </main>
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
    <${Toasts} items=${items} drop=${drop} />
  </div><//>`;
}

function View({ where, live, asked }) {
  switch (where.view) {
    case "overview": return html`<${Overview} live=${live} query=${where.query} />`;
    case "tasks": return where.id ? html`<${Task} key=${where.id} live=${live} id=${where.id} />` : html`<${Tasks} live=${live} query=${where.query} asked=${asked} />`;
    case "queues": return html`<${Queues} live=${live} />`;
    case "recurring": return html`<${Recurring} live=${live} />`;
    case "workers": return html`<${Workers} live=${live} />`;
    default: return html`<section class="card"><${Empty} icon="search" title="There is no such page"><a class="link" href="#/overview">Go to the overview</a><//></section>`;
  }
}

function Side({ where, live, session, openHelp }) {
  const totals = live.summary && live.summary.totals;
  const state = live.state === "live" && live.trouble ? "old" : live.state;
  const numbers = totals ? { tasks: totals.running + totals.waiting, workers: live.summary.processes } : {};
  return html`<div class="side">
    <a class="brand" href="#/overview"><img src="static/icon.svg" alt="" width="24" height="24" />Hypern<small>${session.store}</small></a>
    <nav aria-label="Views">${VIEWS.map(([view, words]) => html`<a href=${place(view)} aria-current=${where.view === view ? "page" : undefined}>
      <${Icon} name=${view} />${words}${numbers[view] ? html`<b>${short(numbers[view])}</b>` : null}</a>`)}</nav>
    <footer>
      <div role="status"><span class=${`pulse ${state}`}></span><span>${{ live: "Live", old: "Not up to date", lost: "Disconnected", waiting: "Connecting…" }[state]}</span>
        <button class="button quiet hide-small" style=${{ marginLeft: "auto" }} onClick=${openHelp} aria-label="Keys">?</button></div>
      <div class="viewer"><span class="clip text" title=${session.viewer}>${session.viewer}${session.act ? "" : " · looks only"}</span>
        ${session.can_sign_out && html`<button class="button quiet" onClick=${() => post("logout").finally(() => location.reload())}>Sign out</button>`}</div>
    </footer>
  </div>`;
}

function Banners({ live }) {
  const waits = live.summary && live.summary.totals.waiting;
  return html`
    ${live.state === "lost" && html`<div class="banner alarms" role="alert"><${Icon} name="unplugged" /><span>The server cannot be reached. What you see is as it was; this page tries again by itself.</span></div>`}
    ${live.state !== "lost" && live.trouble && html`<div class="banner alarms" role="alert"><${Icon} name="warning" /><span class="text">${live.trouble}</span></div>`}
    ${live.state !== "lost" && live.summary && live.summary.idle && html`<div class="banner warns"><${Icon} name="warning" /><span>${live.summary.idle}${waits ? ` ${waits === 1 ? "One task waits" : `${short(waits)} tasks wait`}.` : ""}</span></div>`}`;
}

// -- keys --------------------------------------------------------------------------------------------

const KEYS = [[["/"], "Search tasks"], [["j", "k"], "Next and previous task in the list"], [["Enter"], "Open it"], [["x"], "Choose it"], [["Esc"], "Back"],
  [["g", "o"], "Overview"], [["g", "t"], "Tasks"], [["g", "q"], "Queues"], [["g", "r"], "Recurring"], [["g", "w"], "Workers"], [["?"], "This list"]];

function Help({ onClose }) {
  return html`<${Dialog} label="Keys" onClose=${onClose}><div><h2>Keys</h2>
    <dl class="keys">${KEYS.map(([keys, words]) => html`<dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${words}</dd>`)}</dl>
    <div class="buttons"><button class="button" onClick=${onClose} autofocus>Close</button></div></div><//>`;
}

function useKeys(openHelp) {
  const leading = useRef(0);
  useEffect(() => {
    function pressed(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      const field = event.target.closest("input, select, textarea");
      if (field && field.type !== "checkbox") {
        if (event.key === "Escape") field.blur();
        if (event.key === "Enter" && field.id === "search") { field.blur(); step(1); }
        return;
      }
      const where = readPlace();
      const view = Date.now() - leading.current < 1000 && VIEWS.find(([name]) => name[0] === event.key);
      leading.current = 0;
      if (view) go(place(view[0]));
      else if (event.key === "g") leading.current = Date.now();
      else if (event.key === "?") openHelp();
      else if (event.key === "/") search(where, event);
      else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
      else if (event.key === "x") { const row = document.activeElement.closest("tr"); const box = row && row.querySelector("input"); if (box) box.click(); }
      else if (event.key === "Escape" && where.id) history.length > 1 ? history.back() : go(place("tasks"));
    }
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function search(where, event) {
  event.preventDefault();
  if (where.view !== "tasks" || where.id) go(place("tasks"));
  setTimeout(() => { const field = document.getElementById("search"); if (field) { field.focus(); field.select(); } });
}

function step(by) {
  const links = [...document.querySelectorAll(".rows a.title, .list a")];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
}

// -- start -------------------------------------------------------------------------------------------

// Who is signed in already needs no token: it does not stay in the address.
if (location.hash.startsWith("#token=")) history.replaceState(null, "", location.pathname + location.search);

const root = document.getElementById("page");
get("session").then(
  (session) => { root.textContent = ""; render(html`<${Page} session=${session} />`, root); },
  (error) => { root.firstElementChild.textContent = `${error.message} Reload the page to try again.`; },
);
