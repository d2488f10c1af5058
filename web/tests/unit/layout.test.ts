import { expect, test } from "vitest";
import type { TaskDoc, WaveDoc } from "../../src/api/types";
import { layout, OPEN_MOST, SHOWN_MOST } from "../../src/lib/layout";
import { filtered, met, sorted } from "../../src/lib/queue";

function task(id: string, wave: number, depends_on: string[] = [], state = "waiting"): TaskDoc {
  return {
    id, mission: `Do ${id}.`, state, since: "2026-01-01T00:00:00Z", reason: "", wave, critical_path: 1, priority: "P2", depends_on,
    role: null, agent: null, assigned: null, worker: null, attempt: null, attempts: 0, took_ms: null, cost_usd: null,
    files_changed: null, commit: null, fixes: null, fixed_by: null, note: null,
  };
}

function wave(id: number, tasks: TaskDoc[], state = "running"): WaveDoc {
  return { id, tasks: tasks.map((t) => t.id), state };
}

// proves: U-3
test("5,000 tasks are a few boxes, and every dependency is in a line", () => {
  const waves: TaskDoc[][] = [];
  for (let w = 0; w < 10; w += 1) {
    waves.push(Array.from({ length: 500 }, (_, n) => task(`t${w}-${n}`, w + 1, w === 0 ? [] : [`t${w - 1}-${n}`])));
  }
  const docs = waves.map((tasks, n) => wave(n + 1, tasks));
  const all = waves.flat();
  const began = performance.now();
  const closed = layout(docs, all, new Map());
  expect(performance.now() - began).toBeLessThan(1000);
  expect(closed.columns.every((c) => !c.open && c.boxes.length === 1)).toBe(true);
  expect(closed.edges.map((e) => e.n)).toEqual(new Array(9).fill(500));
  // Even with all of it open there is a bound.
  const open = layout(docs, all, new Map(docs.map((w) => [w.id, true])));
  expect(open.columns.every((c) => c.boxes.length === SHOWN_MOST + 1)).toBe(true);
  expect(open.edges.length + open.hidden).toBeGreaterThan(1000);
});

test("small waves are open until they are over", () => {
  const [a, b] = [task("a", 1, [], "merged"), task("b", 2, ["a"], "running")];
  const drawn = layout([wave(1, [a], "merged"), wave(2, [b])], [a, b], new Map());
  expect(drawn.columns.map((c) => c.open)).toEqual([false, true]);
  expect(drawn.edges).toMatchObject([{ from: "w/1", to: "t/b", n: 1 }]);
  expect(OPEN_MOST).toBeLessThan(SHOWN_MOST);
});

test("the queue begins with what needs a person, and can be ordered otherwise", () => {
  const tasks = [task("done", 1, [], "merged"), task("late", 2, ["done"]), task("now", 1, [], "running"), task("bad", 1, [], "flagged")];
  const ids = (list: TaskDoc[]) => list.map((t) => t.id);
  expect(ids(sorted(tasks, undefined, new Map()))).toEqual(["bad", "now", "late", "done"]);
  expect(ids(sorted(tasks, { key: "id", down: true }, new Map()))).toEqual(["now", "late", "done", "bad"]);
  expect(ids(filtered(tasks, "LATE", ""))).toEqual(["late"]);
  expect(ids(filtered(tasks, "", "running"))).toEqual(["now"]);
  expect(met(tasks[1]!, new Set(["done"]))).toEqual({ met: 1, of: 1 });
});
