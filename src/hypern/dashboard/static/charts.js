// Lines over time, drawn by uPlot, in the colours of the page.

import { html, useEffect, useRef, useState, clockTime, hourAndMinute } from "./base.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const isPowerOfTen = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6;

const powers = (_, ticks) => ticks.map((tick) => (isPowerOfTen(tick) ? tick : null));

// A value between two gaps is no line: without a point it could not be seen.
function alone(plot, of) {
  const values = plot.data[of];
  const is = (i) => values[i] !== null && values[i] !== undefined;
  return values.flatMap((_, i) => (is(i) && !is(i - 1) && !is(i + 1) ? [i] : []));
}

function axes(format, log) {
  const grid = { stroke: colour("line"), width: 1 };
  const common = { stroke: colour("muted"), font: `11px ${colour("sans")}`, ticks: { show: false } };
  return [
    { ...common, grid: { show: false }, space: 70, gap: 4, size: 26, values: (_, ticks) => ticks.map(hourAndMinute) },
    {
      ...common,
      grid: log ? { ...grid, filter: powers } : grid,
      space: log ? 18 : 36,
      gap: 6,
      size: 60,
      values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : format(tick))),
      // Of a logarithmic scale the powers of ten are enough.
      filter: log ? powers : undefined,
    },
  ];
}

// `lines`: [{ key, label, colour, fill, dashed }]; `data`: { at, [key]: [numbers or null] }.
export function Chart({ data, lines, format, label, log }) {
  const holder = useRef(null);
  const plot = useRef(null);
  const [pointed, setPointed] = useState(null);
  const [theme, setTheme] = useState(0);
  const table = () => [data.at, ...lines.map((line) => data[line.key])];

  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setTheme((n) => n + 1);
    dark.addEventListener("change", change);
    return () => dark.removeEventListener("change", change);
  }, []);

  useEffect(() => {
    const box = holder.current;
    const size = () => ({ width: Math.max(200, box.clientWidth - 16), height: Math.max(120, box.clientHeight - 12) });
    const series = lines.map((line) => ({
      label: line.label,
      stroke: colour(line.colour),
      fill: line.fill ? `${colour(line.colour)}1f` : undefined,
      width: 1.6,
      dash: line.dashed ? [4, 3] : undefined,
      spanGaps: false,
      points: { show: false, size: 5, filter: alone },
    }));
    plot.current = new uPlot(
      {
        ...size(),
        series: [{}, ...series],
        axes: axes(format, log),
        padding: [10, 20, 0, 0],
        scales: { x: { time: true }, y: log ? { distr: 3, log: 10 } : { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        hooks: { setCursor: [(u) => setPointed(u.cursor.idx ?? null)] },
      },
      table(),
      box,
    );
    const observer = new ResizeObserver(() => plot.current && plot.current.setSize(size()));
    observer.observe(box);
    return () => {
      observer.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [theme, log]);

  useEffect(() => {
    if (plot.current) plot.current.setData(table());
  }, [data]);

  const at = pointed ?? data.at.length - 1;
  return html`<figure aria-label=${label}>
    <div class="legend inside" style=${{ padding: "10px 16px 0" }}>
      ${lines.map((line) => html`<span><i class=${`${line.colour}${line.dashed ? " dashed" : ""}`} style=${{ color: `var(--${line.colour})` }}></i>${line.label}
        <b>${data[line.key][at] === null || data[line.key][at] === undefined ? "–" : format(data[line.key][at])}</b></span>`)}
      <span style=${{ marginLeft: "auto" }}>${pointed === null ? "" : clockTime(data.at[at])}</span>
    </div>
    <div class="chart" ref=${holder}></div>
  </figure>`;
}
