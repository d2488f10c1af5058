/** The queue as the page orders and filters it: pure. */
import type { TaskDoc } from "../api/types";

/** What matters first: work in hand, then what can begin, then what waits, then what is over. */
const ORDER: Record<string, number> = {
  flagged: 0, blocked: 1, running: 2, verifying: 3, ready: 4, waiting: 5, accepted: 6, dead: 7, merged: 8, cancelled: 9,
};

export interface Sort {
  key: string;
  down: boolean;
}

export type Met = { met: number; of: number };

/** How many of a task's dependencies are merged. */
export function met(task: TaskDoc, merged: ReadonlySet<string>): Met {
  let n = 0;
  for (const id of task.depends_on) if (merged.has(id)) n += 1;
  return { met: n, of: task.depends_on.length };
}

export function filtered(tasks: readonly TaskDoc[], text: string, state: string): TaskDoc[] {
  const needle = text.trim().toLowerCase();
  return tasks.filter(
    (t) =>
      (state === "" || t.state === state) &&
      (needle === "" ||
        t.id.toLowerCase().includes(needle) ||
        t.mission.toLowerCase().includes(needle) ||
        (t.worker ?? "").toLowerCase() === needle ||
        (t.role ?? "").toLowerCase() === needle),
  );
}

/** In the order asked for; without one, by what matters first. The keeper's own order decides what is equal. */
export function sorted(tasks: readonly TaskDoc[], sort: Sort | undefined, eta: ReadonlyMap<string, number>): TaskDoc[] {
  const by: Record<string, (t: TaskDoc) => number | string> = {
    id: (t) => t.id,
    state: (t) => ORDER[t.state] ?? 99,
    priority: (t) => t.priority,
    wave: (t) => t.wave,
    attempts: (t) => t.attempts,
    cost: (t) => t.cost_usd ?? -1,
    eta: (t) => eta.get(t.id) ?? Number.MAX_SAFE_INTEGER,
  };
  const list = [...tasks];
  if (sort === undefined) {
    return list.sort(
      (a, b) =>
        (ORDER[a.state] ?? 99) - (ORDER[b.state] ?? 99) ||
        a.priority.localeCompare(b.priority) ||
        a.wave - b.wave ||
        b.critical_path - a.critical_path,
    );
  }
  const value = by[sort.key] ?? by["id"]!;
  const sign = sort.down ? -1 : 1;
  return list.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return sign * (typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y), "en", { numeric: true }) : x - y);
  });
}
