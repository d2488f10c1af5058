/**
 * Where the waves and their tasks are drawn: a column for each wave, a box for each task. A wave of many tasks, or
 * one that is over, is one box until it is opened; so 5,000 tasks are a few hundred boxes at most.
 */
import type { TaskDoc, WaveDoc } from "../api/types";

export const BOX = { w: 168, h: 28, gapX: 64, gapY: 6, head: 46, pad: 12 } as const;
/** A wave of more tasks begins closed. */
export const OPEN_MOST = 24;
/** An open wave shows so many of its tasks, those that matter first. */
export const SHOWN_MOST = 120;
/** More lines than this are no picture. */
const EDGES_MOST = 1200;

export interface Box {
  /** `t/ID` of a task, `w/N` of a closed wave, `m/N` of what an open one does not show. */
  key: string;
  x: number;
  y: number;
  w: number;
  h: number;
  task?: TaskDoc;
  /** Of a box of many: how many of its tasks are in each state. */
  counts?: Record<string, number>;
}

export interface Column {
  wave: WaveDoc;
  x: number;
  open: boolean;
  boxes: Box[];
}

export interface Edge {
  from: string;
  to: string;
  path: string;
  /** How many dependencies it stands for. */
  n: number;
}

export interface Layout {
  columns: Column[];
  edges: Edge[];
  width: number;
  height: number;
  /** Lines that are left out. */
  hidden: number;
}

const MATTER = ["running", "verifying", "flagged", "blocked", "ready", "waiting", "accepted", "merged", "dead", "cancelled"];

/** Whether a wave is open: as a person says, or else if it is small and not over. */
export function isOpen(wave: WaveDoc, chosen: ReadonlyMap<number, boolean>): boolean {
  return chosen.get(wave.id) ?? (wave.tasks.length <= OPEN_MOST && wave.state !== "merged");
}

export function layout(waves: readonly WaveDoc[], tasks: readonly TaskDoc[], chosen: ReadonlyMap<number, boolean>): Layout {
  const byId = new Map(tasks.map((t) => [t.id, t]));
  /** Which box stands for a task. */
  const place = new Map<string, Box>();
  const columns: Column[] = [];
  let height = 0;
  waves.forEach((wave, n) => {
    const x = BOX.pad + n * (BOX.w + BOX.gapX);
    const open = isOpen(wave, chosen);
    const own = wave.tasks.flatMap((id) => byId.get(id) ?? []);
    const boxes: Box[] = [];
    let y: number = BOX.head;
    const add = (box: Omit<Box, "x" | "y" | "w">) => {
      const full = { ...box, x, y, w: BOX.w };
      boxes.push(full);
      y += box.h + BOX.gapY;
      return full;
    };
    if (open) {
      const ordered = own.toSorted((a, b) => MATTER.indexOf(a.state) - MATTER.indexOf(b.state));
      for (const task of ordered.slice(0, SHOWN_MOST)) place.set(task.id, add({ key: `t/${task.id}`, h: BOX.h, task }));
      const rest = ordered.slice(SHOWN_MOST);
      if (rest.length > 0) {
        const box = add({ key: `m/${wave.id}`, h: 56, counts: counted(rest) });
        for (const task of rest) place.set(task.id, box);
      }
    } else {
      const box = add({ key: `w/${wave.id}`, h: 56, counts: counted(own) });
      for (const task of own) place.set(task.id, box);
    }
    height = Math.max(height, y);
    columns.push({ wave, x, open, boxes });
  });
  const { edges, hidden } = connect(tasks, place);
  return { columns, edges, hidden, width: BOX.pad * 2 + waves.length * (BOX.w + BOX.gapX) - BOX.gapX, height: height + BOX.pad };
}

function counted(tasks: readonly TaskDoc[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const task of tasks) counts[task.state] = (counts[task.state] ?? 0) + 1;
  return counts;
}

function connect(tasks: readonly TaskDoc[], place: ReadonlyMap<string, Box>): { edges: Edge[]; hidden: number } {
  const edges = new Map<string, Edge>();
  let hidden = 0;
  for (const task of tasks) {
    const to = place.get(task.id);
    if (!to) continue;
    for (const id of task.depends_on) {
      const from = place.get(id);
      if (!from || from === to) continue;
      const key = `${from.key} ${to.key}`;
      const there = edges.get(key);
      if (there) there.n += 1;
      else if (edges.size < EDGES_MOST) edges.set(key, { from: from.key, to: to.key, path: curve(from, to), n: 1 });
      else hidden += 1;
    }
  }
  return { edges: [...edges.values()], hidden };
}

function curve(from: Box, to: Box): string {
  const [x1, y1] = [from.x + from.w, from.y + from.h / 2];
  const [x2, y2] = [to.x, to.y + to.h / 2];
  // Within a column (a fix task and what it mends) the line goes around on the right.
  if (x2 <= from.x) return `M${x1} ${y1}C${x1 + 40} ${y1} ${x1 + 40} ${y2} ${to.x + to.w} ${y2}`;
  const bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
