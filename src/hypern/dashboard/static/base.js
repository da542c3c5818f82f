// What every module here uses: templates, hooks, and how values are said.

import { h, render, Fragment, createContext } from "./vendor/preact.js";
import * as hooks from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

// Characters that cannot be seen, or that turn round the order in which others are read, are shown as what
// they are: a task called "\u202egnp.exe" must not look like a picture.
const UNSEEN = /(?![\t\n])[\p{C}\p{Zl}\p{Zp}]/gu;
// More marks on one letter than any language has would be drawn across the lines above.
const HEAPED = /(?<=\p{M}{4})\p{M}+/gu;
const hex = (code, digits) => code.toString(16).padStart(digits, "0");
const escaped = (character) => {
  const code = character.codePointAt(0);
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
};
export const visible = (text) => text.replace(UNSEEN, escaped).replace(HEAPED, "…");

// All text of the page goes through here, and only text: nothing is ever set as HTML.
function element(type, props, ...children) {
  if (props && typeof props.title === "string") props.title = visible(props.title);
  return h(type, props, ...children.map(shown));
}

// Lists, too: a text in one is as much a child as another.
function shown(child) {
  if (Array.isArray(child)) return child.map(shown);
  return typeof child === "string" ? visible(child) : child;
}

export const html = htm.bind(element);
export const { useState, useEffect, useRef, useMemo, useCallback, useContext } = hooks;
export { render, Fragment, createContext };

// -- time ------------------------------------------------------------------------------------------

let ahead = 0;

export function setClock(serverSeconds) {
  ahead = serverSeconds - Date.now() / 1000;
}

// The server's clock: what runs is timed by it, whatever this machine's shows.
export const now = () => Date.now() / 1000 + ahead;

// Renders anew each second, for what counts time.
export function useSeconds() {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return now();
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, seconds);
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${s < 0.01 ? Number((s * 1000).toFixed(1)) : Math.round(s * 1000)} ms`;
  if (s < 120) return `${s < 10 ? Number(s.toFixed(1)) : Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`.replace(" 0 s", "");
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`.replace(" 0 min", "");
  const days = Math.floor(s / 86400);
  return `${days} ${days === 1 ? "day" : "days"}`;
}

const rough = (s) => {
  if (s < 60) return `${Math.max(0, Math.floor(s))} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  const days = Math.floor(s / 86400);
  return `${days} ${days === 1 ? "day" : "days"}`;
};

export function ago(moment) {
  const s = now() - moment;
  if (s < -1) return `in ${rough(-s)}`;
  return s < 2 ? "now" : `${rough(s)} ago`;
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const hourAndMinute = (seconds) => hours.format(seconds * 1000);
export const moment = (seconds) => full.format(seconds * 1000);
export const clockTime = (seconds) => clock.format(seconds * 1000);

// -- numbers ---------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
export const count = (n) => whole.format(n);
export const short = (n) => (n < 10000 ? whole.format(n) : compact.format(n));
export const per = (n) => (n === 0 ? "0" : n < 0.05 ? "< 0.1" : n < 10 ? n.toFixed(1) : short(Math.round(n)));
export const percent = (n) =>
  n === null ? "–" : `${(n * 100).toFixed(n > 0 && n < 0.1 ? 1 : 0)} %`;
export const many = (n, one, more) => `${count(n)} ${n === 1 ? one : more || `${one}s`}`;

// A task is called module:function; the function is what people know it by.
export function splitName(name) {
  const at = name.lastIndexOf(":");
  return /^[\w.]+:[\w.<>]+$/.test(name) ? [name.slice(at + 1), name.slice(0, at)] : [name, ""];
}

// -- where we are: #/tasks?status=failed -------------------------------------------------------------

export function readPlace() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { view: parts[0] || "overview", id: parts[1] || null, query: new URLSearchParams(query || "") };
}

export function place(view, id, query) {
  const path = id ? `${view}/${encodeURIComponent(id)}` : view;
  const said = new URLSearchParams(
    Object.entries(query || {}).filter(([, value]) => value !== null && value !== undefined && value !== ""),
  ).toString();
  return `#/${path}${said ? `?${said}` : ""}`;
}

export function go(where, replace) {
  if (replace) {
    history.replaceState(null, "", where);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = where.slice(1);
  }
}
