// The server: one stream for what is looked at, single answers, and changes.

import { useEffect, useRef, useState, setClock } from "./base.js";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answered(answer) {
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Refused(answer.status, said.message || `The server answered ${answer.status}.`);
  return said;
}

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Refused(0, "The server cannot be reached.");
  }
  return answered(answer);
}

export const get = (path, query) => ask(`api/${path}${query ? `?${query}` : ""}`);

export const post = (path, body) =>
  ask(`api/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body || {}),
  });

const RETRY = [1500, 3000, 6000, 15000];
const HIDDEN_FOR = 15000;

// What the server pushes about `query`. State: "waiting" (for the first answer), "live", "lost".
// While another view is being opened the summary of the last one stays.
export function useLive(query) {
  const [said, setSaid] = useState({ query: null, state: "waiting" });
  const failures = useRef(0);

  useEffect(() => {
    let source = null;
    let timer = null;
    const hear = (change) => setSaid((before) => ({ ...before, ...change }));

    function open() {
      clearTimeout(timer);
      close();
      source = new EventSource(`api/events?${query}`);
      source.addEventListener("hello", (event) => {
        setClock(JSON.parse(event.data).now);
        failures.current = 0;
      });
      source.addEventListener("view", (event) => {
        const { summary, view, message } = JSON.parse(event.data);
        hear({ query, state: "live", summary, view, message, trouble: null });
      });
      source.addEventListener("trouble", (event) => {
        hear({ state: "live", trouble: JSON.parse(event.data).message });
      });
      source.addEventListener("error", () => lost(source));
    }

    async function lost(which) {
      if (which !== source) return;
      const refused = source.readyState === EventSource.CLOSED;
      // A stream that the server ends in good order comes back by itself, at once.
      failures.current += 1;
      if (failures.current > 1 || refused) hear({ state: "lost" });
      if (!refused) return;
      close();
      try {
        await get("session");
      } catch (error) {
        hear({ trouble: error.status ? error.message : null });
      }
      timer = setTimeout(open, RETRY[Math.min(failures.current, RETRY.length) - 1]);
    }

    function close() {
      if (source) source.close();
      source = null;
    }

    // A page that nobody sees asks for nothing; and browsers allow few connections to one host.
    function visible() {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(close, HIDDEN_FOR);
      else if (!source) open();
    }

    // Left for another page, this one may be kept for the way back; its stream is not.
    const left = () => {
      clearTimeout(timer);
      close();
    };

    open();
    document.addEventListener("visibilitychange", visible);
    addEventListener("pagehide", left);
    addEventListener("pageshow", visible);
    return () => {
      document.removeEventListener("visibilitychange", visible);
      removeEventListener("pagehide", left);
      removeEventListener("pageshow", visible);
      clearTimeout(timer);
      close();
    };
  }, [query]);

  const current = said.query === query;
  return { ...said, view: current ? said.view : undefined, message: current ? said.message : null };
}
