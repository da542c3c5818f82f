// The same for many tasks: first how many there are, then part by part, with a way to stop.

import { html, useEffect, useRef, useState, count, many } from "./base.js";
import { get, post } from "./server.js";
import { Bar, Dialog, WORDS, useSession } from "./parts.js";

export const ELIGIBLE = {
  retry: ["failed", "cancelled"],
  cancel: ["pending", "running"],
  run: ["pending"],
  delete: ["completed", "failed", "cancelled"],
};
const TITLES = { retry: "Retry", cancel: "Cancel", run: "Run now:", delete: "Delete" };
const DONE = { retry: "submitted anew", cancel: "cancelled or asked to stop", run: "started early", delete: "deleted" };
const NOTES = {
  retry: "Each is submitted anew with the same arguments. The old ones stay as they are.",
  cancel: "Those that wait will not run. Those that run are asked to stop.",
  run: "Delayed tasks among them become ready at once.",
  delete: "Their results, errors and logs are gone for good.",
};
const PART = 200;

// Either `ids`, or (null) all that `asked` means, as far as the action fits their state.
export function Bulk({ action, ids, asked, onClose, onDone }) {
  const { say } = useSession();
  const [preview, setPreview] = useState(ids ? { number: ids.length, is_all: true } : null);
  const [trouble, setTrouble] = useState(null);
  const [progress, setProgress] = useState(null);
  const stopped = useRef(false);

  const filter = Object.fromEntries(asked);
  const fits = ELIGIBLE[action];
  filter.status = filter.status ? filter.status.split(",").filter((one) => fits.includes(one)).join(",") : fits.join(",");

  useEffect(() => {
    if (!ids) get("preview", new URLSearchParams(filter)).then(setPreview, (error) => setTrouble(error.message));
    return () => { stopped.current = true; };
  }, []);

  async function start() {
    let done = 0;
    let seen = 0;
    setProgress({ done, seen });
    try {
      if (ids) {
        for (let at = 0; at < ids.length && !stopped.current; at += PART) {
          const part = await post("bulk", { action, ids: ids.slice(at, at + PART) });
          done += part.done;
          seen += part.seen;
          setProgress({ done, seen });
        }
      } else {
        let after = null;
        do {
          const part = await post("bulk", { action, filter: { ...filter, until: preview.until }, after });
          done += part.done;
          seen += part.seen;
          after = part.after;
          setProgress({ done, seen });
        } while (after && !stopped.current);
      }
      const missed = seen - done;
      say({ good: true, text: `${many(done, "task")} ${DONE[action]}.${missed ? ` ${count(missed)} could not be: their state did not fit.` : ""}` });
      onDone();
      onClose();
    } catch (error) {
      setTrouble(`${error.message} ${many(done, "task was", "tasks were")} done.`);
      setProgress(null);
    }
  }

  const number = preview && `${preview.is_all ? "" : "more than "}${count(preview.number)}`;
  const title = preview ? `${TITLES[action]} ${number} ${preview.number === 1 ? "task" : "tasks"}?` : `${TITLES[action]} …`;
  const danger = action === "delete" || action === "cancel";
  return html`<${Dialog} label=${title} onClose=${onClose}>
    <form method="dialog" onSubmit=${(event) => { event.preventDefault(); start(); }}>
      <h2 data-preview=${preview ? preview.number : ""}>${title}</h2>
      ${!ids && html`<div class="small muted">${describe(filter)}</div>`}
      <p class="muted">${NOTES[action]}</p>
      ${!preview && !trouble && html`<p class="muted">Counting…</p>`}
      ${progress && html`<${Bar} big fraction=${preview.number ? progress.seen / preview.number : 1} label="Tasks done" /><p class="small muted">${count(progress.done)} of ${number}</p>`}
      ${trouble && html`<p class="problem" role="alert">${trouble}</p>`}
      <div class="buttons">
        ${progress
          ? html`<button type="button" class="button" onClick=${() => { stopped.current = true; }}>Stop here</button>`
          : html`<button type="button" class="button" onClick=${onClose}>Back</button>
            <button type="submit" class=${`button primary ${danger ? "danger" : ""}`} disabled=${!preview || !preview.number} autofocus>${TITLES[action].replace(":", "")}</button>`}
      </div>
    </form>
  <//>`;
}

function describe(filter) {
  const words = [filter.status.split(",").map((one) => (WORDS[one] || "Waiting").toLowerCase()).join(" or ")];
  if (filter.queue) words.push(`in the queue ${filter.queue}`);
  if (filter.name) words.push(`called ${filter.name}`);
  if (filter.text) words.push(`with “${filter.text}” in id, name or error`);
  if (filter.since) words.push("submitted in the time chosen");
  return `Those that are ${words.join(", ")}.`;
}
