/** From the API's columns to what is drawn: pure. */
import type { CapDoc, SeriesDoc } from "../api/types";

export interface Series {
  name: string;
  /** The name of a colour. */
  tone: string;
  dash?: number[];
  values: (number | null)[];
}

const TONES = ["busy", "good", "accent", "bad", "dim", "warn"];
const DASHES: (number[] | undefined)[] = [undefined, [6, 3], [2, 3]];

/** The n-th look: colours first, then the same ones dashed, so that none hangs on colour alone for long. */
function nth(n: number): { tone: string; dash?: number[] } {
  const dash = DASHES[Math.floor(n / TONES.length) % DASHES.length];
  return { tone: TONES[n % TONES.length] ?? "busy", ...(dash ? { dash } : {}) };
}

/** A column, or noughts: the API leaves out what never was. */
function column(columns: Record<string, number[]>, name: string, length: number): number[] {
  return columns[name] ?? new Array<number>(length).fill(0);
}

/** Tasks merged, per hour: each point's count, scaled to an hour. */
export function perHour(doc: SeriesDoc): Series[] {
  const scale = 3_600_000 / Math.max(1, doc.step_ms);
  const rate = (name: string) => column(doc.counts, name, doc.at.length).map((n) => n * scale);
  return [
    { name: "accepted", tone: "busy", values: rate("attempts_succeeded") },
    { name: "merged", tone: "good", dash: [6, 3], values: rate("tasks_merged") },
  ];
}

/** How many tasks were in each state that is on the way. */
export function depth(doc: SeriesDoc): Series[] {
  const states = ["ready", "running", "waiting", "verifying", "accepted", "blocked", "flagged"];
  return states
    .map((state) => ({ state, values: doc.levels[`tasks_${state}`] }))
    .filter((s): s is { state: string; values: number[] } => s.values !== undefined)
    .map((s, n) => ({ name: s.state, ...nth(n), values: s.values }));
}

export function utilisation(doc: SeriesDoc): Series[] {
  return [{ name: "of the workers' time", tone: "busy", values: doc.utilisation_percent }];
}

/** How many workers there were, and when policy added some or let some go. */
export function scaling(doc: SeriesDoc): Series[] {
  const here = ["spawning", "idle", "working", "paused", "crashed"].map((s) => column(doc.levels, `workers_${s}`, doc.at.length));
  const sum = doc.at.map((_, n) => here.reduce((all, column) => all + (column[n] ?? 0), 0));
  const events = [
    { name: "added by policy", tone: "good", values: column(doc.counts, "scale_ups", doc.at.length) },
    { name: "let go", tone: "bad", dash: [2, 3], values: column(doc.counts, "scale_downs", doc.at.length) },
  ];
  return [
    { name: "workers", tone: "busy", values: sum },
    { name: "attempts at once", tone: "accent", dash: [6, 3], values: doc.peak },
    ...events,
  ];
}

/** What was spent up to each point within the window, and the cap. */
export function spend(doc: SeriesDoc, caps: readonly CapDoc[]): Series[] {
  let sum = 0;
  const total = doc.at.map((_, n) => {
    for (const column of Object.values(doc.usd)) sum += column[n] ?? 0;
    return sum;
  });
  const cap = caps.find((c) => c.measure === "usd");
  // What was spent of the cap before the window counts, too.
  const before = cap ? Math.max(0, cap.spent - sum) : 0;
  const spent: Series = { name: "spent", tone: "busy", values: total.map((n) => n + before) };
  return cap ? [spent, { name: `cap (${cap.scope})`, tone: "bad", dash: [6, 3], values: doc.at.map(() => cap.cap) }] : [spent];
}

/** Tokens by model: what counts against a quota. */
export function quota(doc: SeriesDoc): Series[] {
  const models = Object.entries(doc.tokens).sort(([, a], [, b]) => total(b) - total(a));
  return models.slice(0, 8).map(([name, values], n) => ({ name, ...nth(n), values }));
}

export function latencies(doc: SeriesDoc): Series[] {
  const run = doc.latency["attempt"] ?? doc.latency["run"];
  if (!run) return [];
  return [
    { name: "half take at most", tone: "busy", values: run.p50_ms },
    { name: "19 in 20", tone: "accent", dash: [6, 3], values: run.p95_ms },
  ];
}

function total(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
