/** When a view may be fetched again: pure, so that the pace is tested without a clock. */

/** Never more often than this. */
export const LEAST_MS = 500;
/** Of a second, how much a view may be on its way: a large one is fetched less often. */
const SHARE = 0.2;

export interface Past {
  /** When the last fetch began. */
  began: number;
  /** How long it took, parsing included. */
  took: number;
}

/** The earliest moment for the next fetch. */
export function earliest(past: Past | undefined): number {
  if (past === undefined) return 0;
  return past.began + Math.max(LEAST_MS, past.took / SHARE);
}

/** When to fetch a view: as soon as it may be if something happened to it, else when it is `every` old. */
export function due(past: Past | undefined, dirty: boolean, every: number): number {
  if (past === undefined) return 0;
  return dirty ? earliest(past) : Math.max(earliest(past), past.began + every);
}
