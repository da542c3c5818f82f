// Small parts of the page: icons, states, moments, messages, dialogs.

import { html, useEffect, useRef, useState, useSeconds, ago, moment, splitName, createContext, useContext } from "./base.js";

const PATHS = {
  waiting: ["M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z"],
  delayed: ["M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z", "M8 5v3.2l2 1.3"],
  running: ["M8 2.5a5.5 5.5 0 0 1 5.5 5.5", "M13.1 10a5.5 5.5 0 0 1-3 3", "M8 13.5A5.5 5.5 0 0 1 2.9 6", "M4.5 3.8A5.5 5.5 0 0 1 5.6 3"],
  completed: ["M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z", "M5.6 8.2l1.7 1.7 3.2-3.6"],
  failed: ["M8 2.2l6.2 11H1.8z", "M8 6.4v3", "M8 11.3v.1"],
  cancelled: ["M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z", "M4.3 11.7l7.4-7.4"],
  stopping: ["M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z", "M6.2 6.2h3.6v3.6H6.2z"],
  paused: ["M5.5 4v8M10.5 4v8"],
  overview: ["M2.5 13.5h11", "M4 10.5v-3M8 10.5v-7M12 10.5v-5"],
  tasks: ["M6 4h7.5M6 8h7.5M6 12h7.5", "M2.5 4h.6M2.5 8h.6M2.5 12h.6"],
  queues: ["M8 2.2l5.8 2.9L8 8 2.2 5.1z", "M2.2 8L8 10.9 13.8 8", "M2.2 10.9L8 13.8l5.8-2.9"],
  recurring: ["M2.8 8a5.2 5.2 0 0 1 9-3.5L13.2 6", "M13.2 2.8V6H10", "M13.2 8a5.2 5.2 0 0 1-9 3.5L2.8 10", "M2.8 13.2V10H6"],
  workers: ["M4.5 4.5h7v7h-7z", "M6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14"],
  search: ["M7 2.8a4.2 4.2 0 1 0 0 8.4a4.2 4.2 0 1 0 0-8.4z", "M10.2 10.2l3 3"],
  close: ["M4 4l8 8M12 4l-8 8"],
  right: ["M6 3.5L10.5 8 6 12.5"],
  hidden: ["M2.5 2.5l11 11", "M6.3 4.2A6.6 6.6 0 0 1 14 8a8 8 0 0 1-1.7 2.1M9.9 11.6A6.6 6.6 0 0 1 2 8a8.3 8.3 0 0 1 2-2.5"],
  warning: ["M8 2.2l6.2 11H1.800z", "M8 6.4v3", "M8 11.3v.1"],
  unplugged: ["M3 13l2.5-2.500M13 3l-2.5 2.5", "M6.5 8.500l-2 2a2.1 2.1 0 0 0 1 1 2.1 2.1 0 0 0 3-.2l1.5-1.500z", "M9.5 7.500l2-2a2.1 2.1 0 0 0-1-1 2.1 2.1 0 0 0-3 .2L6 6.200z"],
};

export function Icon({ name, turns }) {
  return html`<svg class=${`icon${turns ? " turns" : ""}`} viewBox="0 0 16 16" aria-hidden="true">
    ${PATHS[name].map((path) => html`<path d=${path} />`)}
  </svg>`;
}

export const WORDS = {
  waiting: "Waiting", delayed: "Delayed", running: "Running",
  completed: "Completed", failed: "Failed", cancelled: "Cancelled", stopping: "Stopping", paused: "Paused",
};

// What a task's state is called here: PENDING is shown as what it is, waiting or delayed.
export function stateOf(task) {
  if (task.status === "pending") return task.due ? "delayed" : "waiting";
  return task.status === "running" && task.cancel_requested ? "stopping" : task.status;
}

export function State({ of }) {
  return html`<span class=${`state ${of}`} title=${WORDS[of]}>
    <${Icon} name=${of} turns=${of === "running"} /><span>${WORDS[of]}</span>
  </span>`;
}

// The function first, and its module after it, for those who have several of one name.
export function Name({ of }) {
  const [name, module] = splitName(of);
  return html`<bdi>${breaking(name)}</bdi>${module && html` <span class="module">${breaking(module)}</span>`}`;
}

// A long name is broken after its dots and underscores, where it is broken at all.
const breaking = (text) => text.split(/(?<=[._])(?=[^._])/).map((part, i) => (i ? html`<wbr />${part}` : part));

// How long ago, or until; the exact moment when pointed at.
export function When({ at }) {
  useSeconds();
  if (!at) return html`<span class="muted">–</span>`;
  return html`<time class="nowrap" title=${moment(at)} datetime=${new Date(at * 1000).toISOString()}>${ago(at)}</time>`;
}

export function Bar({ fraction, label, big }) {
  const part = Math.round(Math.min(1, Math.max(0, fraction)) * 100);
  return html`<div class=${`bar${big ? " big-bar" : ""}`} role="progressbar" aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${part} aria-label=${label || "Progress"}><span style=${{ width: `${part}%` }}></span></div>`;
}

export function Empty({ icon, title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} /><strong>${title}</strong>${children && html`<p>${children}</p>`}</div>`;
}

export function Ghosts({ lines = 6 }) {
  return html`<div class="inside stack" aria-busy="true" aria-label="Loading">
    ${Array.from({ length: lines }, (_, i) => html`<span class="ghost" style=${{ width: `${88 - ((i * 29) % 50)}%` }}></span>`)}
  </div>`;
}

export function Card({ title, aside, children, id, ...rest }) {
  return html`<section class="card" aria-labelledby=${id} ...${rest}>
    <header><h2 id=${id}>${title}</h2>${aside}</header>${children}
  </section>`;
}

export const Session = createContext({ act: false, arguments: false, viewer: "", say: () => {} });
export const useSession = () => useContext(Session);

// Do something on the server, and say what came of it.
export function useDoing() {
  const { say } = useSession();
  const [doing, setDoing] = useState(false);
  const run = async (work, done) => {
    setDoing(true);
    try {
      const answer = await work();
      const said = typeof done === "function" ? done(answer) : done;
      if (said) say({ good: true, ...(typeof said === "string" ? { text: said } : said) });
      return answer;
    } catch (error) {
      say({ text: error.message });
      return null;
    } finally {
      setDoing(false);
    }
  };
  return [doing, run];
}

export function Dialog({ onClose, label, children }) {
  const element = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before && before.focus && before.focus();
  }, []);
  return html`<dialog ref=${element} aria-label=${label} onClose=${onClose}
    onClick=${(event) => event.target === element.current && onClose()}>${children}</dialog>`;
}

export function Confirm({ title, children, verb, danger, onYes, onClose }) {
  return html`<${Dialog} label=${title} onClose=${onClose}>
    <form method="dialog" onSubmit=${(event) => { event.preventDefault(); onClose(); onYes(); }}>
      <h2>${title}</h2><div class="muted">${children}</div>
      <div class="buttons">
        <button type="button" class="button" onClick=${onClose} autofocus=${danger}>Back</button>
        <button type="submit" class=${`button primary ${danger ? "danger" : ""}`} autofocus=${!danger}>${verb}</button>
      </div>
    </form>
  <//>`;
}

export function Toasts({ items, drop }) {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${items.map((item) => html`<div key=${item.key} class=${`toast ${item.good ? "good" : "bad"}`}>
      <${Icon} name=${item.good ? "completed" : "warning"} />
      <span class="text">${item.text}${item.href && html` <a class="link" href=${item.href} onClick=${() => drop(item.key)}>${item.link}</a>`}</span>
      <button class="button quiet square" style=${{ minHeight: "20px", width: "20px" }} aria-label="Dismiss" onClick=${() => drop(item.key)}><${Icon} name="close" /></button>
    </div>`)}
  </div>`;
}
