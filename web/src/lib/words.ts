/** How the words of states look: a tone and a sign, so that no meaning hangs on colour alone. */

export type Tone = "good" | "busy" | "calm" | "warn" | "bad" | "off";

interface Look {
  tone: Tone;
  sign: string;
}

const LOOKS: Record<string, Look> = {
  // tasks
  waiting: { tone: "off", sign: "\u25cb" },
  ready: { tone: "calm", sign: "\u25d4" },
  running: { tone: "busy", sign: "\u25b6" },
  verifying: { tone: "busy", sign: "\u25d1" },
  accepted: { tone: "good", sign: "\u25d5" },
  merged: { tone: "good", sign: "\u2713" },
  blocked: { tone: "warn", sign: "\u25a0" },
  flagged: { tone: "bad", sign: "\u2691" },
  dead: { tone: "bad", sign: "\u2715" },
  cancelled: { tone: "off", sign: "\u2298" },
  // workers
  spawning: { tone: "calm", sign: "\u25d4" },
  idle: { tone: "calm", sign: "\u25cb" },
  working: { tone: "busy", sign: "\u25b6" },
  paused: { tone: "warn", sign: "\u2016" },
  crashed: { tone: "bad", sign: "\u2715" },
  stopped: { tone: "off", sign: "\u25a1" },
  leaving: { tone: "off", sign: "\u2190" },
  // the swarm
  merging: { tone: "busy", sign: "\u25d1" },
  sleeping: { tone: "calm", sign: "\u263e" },
  halted: { tone: "bad", sign: "\u2715" },
  draining: { tone: "warn", sign: "\u2193" },
  finished: { tone: "good", sign: "\u2713" },
  // providers
  closed: { tone: "good", sign: "\u2713" },
  open: { tone: "bad", sign: "\u2016" },
  half_open: { tone: "warn", sign: "\u25d1" },
  // severities and levels
  info: { tone: "calm", sign: "i" },
  warning: { tone: "warn", sign: "!" },
  critical: { tone: "bad", sign: "!!" },
  fine: { tone: "good", sign: "\u2713" },
  alert: { tone: "warn", sign: "!" },
  last: { tone: "bad", sign: "!!" },
  full: { tone: "bad", sign: "\u2715" },
  // outcomes of attempts
  succeeded: { tone: "good", sign: "\u2713" },
  failed: { tone: "bad", sign: "\u2715" },
  timed_out: { tone: "warn", sign: "\u231b" },
  released: { tone: "off", sign: "\u21a9" },
};

export function look(word: string): Look {
  return LOOKS[word] ?? { tone: "calm", sign: "\u00b7" };
}

/** The order in which states are counted and drawn, from not begun to over. */
export const TASK_STATES = [
  "waiting",
  "ready",
  "running",
  "verifying",
  "accepted",
  "merged",
  "blocked",
  "flagged",
  "dead",
  "cancelled",
] as const;

export function spaced(word: string): string {
  return word.replaceAll("_", " ");
}
