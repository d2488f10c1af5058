/** Where attempts are drawn in time: pure. Positions are shares of the window, from 0 to 1. */
import type { AttemptDoc } from "../api/types";

export interface Bar {
  attempt: AttemptDoc;
  from: number;
  to: number;
}

export interface Row {
  worker: string;
  bars: Bar[];
}

export interface Drawn {
  from: number;
  to: number;
  rows: Row[];
}

/** A window in which nothing happened is not narrower than this. */
const LEAST_MS = 60_000;

/** The rows within the last `window` milliseconds; 0 takes all. */
export function bars(attempts: readonly AttemptDoc[], now: number, window: number): Drawn {
  const known = attempts.flatMap((attempt) => {
    if (attempt.began === null) return [];
    const began = Date.parse(attempt.began);
    const ended = attempt.ended === null ? now : Date.parse(attempt.ended);
    return [{ attempt, began, ended: Math.max(began, ended) }];
  });
  const to = Math.max(now, ...known.map((k) => k.ended));
  const first = known.reduce((least, k) => Math.min(least, k.began), to);
  const from = Math.min(to - LEAST_MS, window > 0 ? to - window : first);
  const rows = new Map<string, Bar[]>();
  for (const { attempt, began, ended } of known) {
    if (ended < from) continue;
    const bar = { attempt, from: share(Math.max(began, from), from, to), to: share(ended, from, to) };
    const row = rows.get(attempt.worker);
    if (row) row.push(bar);
    else rows.set(attempt.worker, [bar]);
  }
  const named = [...rows].map(([worker, bars]) => ({ worker, bars }));
  named.sort((a, b) => a.worker.localeCompare(b.worker, "en", { numeric: true }));
  return { from, to, rows: named };
}

function share(at: number, from: number, to: number): number {
  return (at - from) / Math.max(1, to - from);
}

const STEPS_MS = [10, 30, 60, 300, 600, 1800, 3600, 7200, 21_600, 86_400, 604_800].map((s) => s * 1000);

/** Round hours to write below, as many as there is room for. */
export function marks(from: number, to: number, width: number): { at: number; share: number; label: string }[] {
  const room = Math.max(2, Math.floor(width / 110));
  const step = STEPS_MS.find((s) => (to - from) / s <= room) ?? (to - from) / room;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const date = new Date(at);
    const label = date.toLocaleTimeString("en-GB", step < 60_000 ? {} : { hour: "2-digit", minute: "2-digit" });
    found.push({ at, share: share(at, from, to), label });
  }
  return found;
}
