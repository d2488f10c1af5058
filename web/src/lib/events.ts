/** An event in a few words. Whatever kind comes, known here or not, is told from its own fields. */
import type { EventDoc } from "../api/types";
import { line } from "./text";
import { spaced, type Tone } from "./words";

export interface Told {
  about: string;
  text: string;
  tone: Tone;
}

type Fields = Record<string, unknown>;

function object(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return "";
}

const TONES: Record<string, Tone> = {
  attempt_accepted: "good",
  wave_landed: "good",
  target_landed: "good",
  finished: "good",
  swarm_halted: "bad",
  target_refused: "bad",
  worker_failed: "bad",
  worker_retired: "warn",
  attempt_ended: "warn",
  left_out: "warn",
  provider_parked: "warn",
  budget_level: "warn",
  slo_breached: "warn",
  waited_too_long: "warn",
  collision_foreseen: "warn",
  block_reported: "warn",
  asked: "warn",
  swarm_paused: "warn",
  claimed: "busy",
  attempt_started: "busy",
  merge_started: "busy",
};

/** Fields that hold what a reader wants in a sentence, the first that is there. */
const SAYS = ["text", "reason", "output", "value"];

function said(event: EventDoc): string {
  const e: Fields = event;
  switch (event.type) {
    case "claimed":
      return `claimed by ${text(e["worker"])}${e["model"] ? ` with ${text(e["model"])}` : ""}`;
    case "attempt_accepted":
      return "accepted";
    case "attempt_ended": {
      const failure = object(e["failure"]);
      return `${spaced(text(failure["outcome"])) || "ended"}: ${text(failure["reason"])}`;
    }
    case "task_boosted":
      return `priority is ${text(e["priority"])}`;
    case "task_assigned":
      return e["worker"] ? `only for ${text(e["worker"])}` : "for any worker";
    case "asked":
      return `asks: ${text(object(e["question"])["text"])}`;
    case "answered":
      return `question ${text(e["number"])} is answered`;
    case "wave_landed":
      return `landed with ${Array.isArray(e["merged"]) ? e["merged"].length : 0} tasks`;
    case "worker_model_set":
      return e["model"] ? `uses ${text(e["model"])} from now on` : "uses the usual model";
    case "policy_changed":
      return `settings changed: ${text(e["asked"])}`;
    case "health_changed":
      return `health ${text(object(e["health"])["score"])}`;
    case "tasks_ready":
      return `${Array.isArray(e["tasks"]) ? e["tasks"].join(", ") : ""} can begin`;
    case "checkpointed":
      return `is at: ${text(e["text"])}`;
    default: {
      const found = SAYS.map((key) => text(e[key])).find((value) => value !== "");
      return found ? `${spaced(event.type)}: ${found}` : spaced(event.type);
    }
  }
}

export function tell(event: EventDoc): Told {
  const e: Fields = event;
  const spec = object(e["spec"]);
  const about =
    text(e["task"]) || text(spec["id"]) || text(e["worker"]) || text(e["provider"]) ||
    (e["wave"] === undefined ? "" : `wave ${text(e["wave"])}`) ||
    (e["attempt"] === undefined ? "" : `attempt ${text(e["attempt"])}`);
  let tone = TONES[event.type] ?? "calm";
  const severity = e["severity"];
  if (severity === "critical") tone = "bad";
  else if (severity === "warning") tone = "warn";
  return { about: line(about || "swarm"), text: line(said(event)).slice(0, 400), tone };
}

/** Who caused it, in a word. */
export function who(by: unknown): string {
  if (typeof by === "string") return by;
  const [kind, name] = Object.entries(object(by))[0] ?? ["", ""];
  return kind === "agent" ? `attempt ${text(name)}` : text(name);
}
