/** Numbers and times as the page shows them. What is not known is a dash, never 0. */

export const NONE = "\u2013";

export function usd(n: number | null | undefined): string {
  if (n === null || n === undefined) return NONE;
  if (n !== 0 && Math.abs(n) < 0.01) return `$${n.toFixed(4)}`;
  return n >= 1000 ? `$${Math.round(n).toLocaleString("en-US")}` : `$${n.toFixed(2)}`;
}

export function count(n: number | null | undefined): string {
  if (n === null || n === undefined) return NONE;
  if (n >= 10_000_000) return `${(n / 1e6).toFixed(0)}M`;
  if (n >= 1_000_000) return `${(n / 1e6).toFixed(1)}M`;
  if (n >= 10_000) return `${(n / 1e3).toFixed(0)}k`;
  return n.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

export function percent(n: number | null | undefined, digits = 0): string {
  return n === null || n === undefined ? NONE : `${n.toFixed(digits)} %`;
}

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A length of time in at most two units: `4 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return NONE;
  if (ms > 0 && ms < 1000) return `${Math.round(ms)} ms`;
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 ? `${m} m ${s % 60} s` : `${m} m`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 ? `${h} h ${m % 60} m` : `${h} h`;
  return h % 24 ? `${Math.floor(h / 24)} d ${h % 24} h` : `${Math.floor(h / 24)} d`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** A moment: the time of day if it is today, else with its date. */
export function moment(stamp: string | number | null | undefined, now = Date.now()): string {
  if (stamp === null || stamp === undefined) return NONE;
  const at = new Date(stamp);
  if (Number.isNaN(at.getTime())) return NONE;
  const same = at.toDateString() === new Date(now).toDateString();
  return (same ? clock : dated).format(at);
}

/** How long ago, or how long until, in whole seconds. */
export function since(stamp: string | null | undefined, now: number): string {
  if (!stamp) return NONE;
  return span(Math.round(Math.abs(now - Date.parse(stamp)) / 1000) * 1000);
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
