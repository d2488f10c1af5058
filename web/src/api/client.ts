/** Calls of the API. A refusal is an {@link ApiError} with the keeper's own words; anything else means "not reached". */
import type { Answer, CommandDoc, ProblemDoc } from "./types";

export const BASE = "/api/v1";

/** The keeper answered, and the answer is no. */
export class ApiError extends Error {
  constructor(readonly problem: ProblemDoc) {
    super(problem.detail);
    this.name = "ApiError";
  }
  get status(): number {
    return this.problem.status;
  }
}

/** Nobody answered: the keeper is away, or the way to it. */
export class Unreached extends Error {
  constructor(cause: unknown) {
    super("the keeper does not answer", { cause });
    this.name = "Unreached";
  }
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(30_000) });
  } catch (cause) {
    throw new Unreached(cause);
  }
  if (response.ok) return response;
  const said = await problem(response);
  // Whoever stands before a keeper that is away, or one whose loop has just ended.
  if ([502, 504].includes(said.status) || said.code === "keeper_gone") throw new Unreached(said.detail);
  throw new ApiError(said);
}

async function problem(response: Response): Promise<ProblemDoc> {
  try {
    const doc = (await response.json()) as ProblemDoc;
    if (typeof doc.detail === "string") return { ...doc, status: response.status };
  } catch {
    // Not JSON: a proxy, or a keeper of another kind. What the status says has to do.
  }
  const title = response.statusText || "refused";
  return { type: "about:blank", title, status: response.status, detail: title, code: "unknown", hint: null };
}

/** The answer's text: whoever compares it with the last one may spare themselves the parsing. */
export async function getText(path: string): Promise<string> {
  return (await send(BASE + path, { headers: { accept: "application/json" } })).text();
}

export async function get<T>(path: string): Promise<T> {
  return JSON.parse(await getText(path)) as T;
}

/** A key under which a repeated request is done once. `randomUUID` is missing where the page is not secure. */
function key(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")}`;
}

const TRIES = 3;

/** Sends a change. When no answer comes it is sent again under the same key, so that it is done once at most. */
async function change<T>(method: string, path: string, body: string, type = "application/json"): Promise<T> {
  const headers = { "content-type": type, "idempotency-key": key(), "skep-client": "dashboard" };
  for (let tried = 1; ; tried += 1) {
    try {
      const response = await send(BASE + path, { method, headers, body });
      return (await response.json()) as T;
    } catch (error) {
      if (!(error instanceof Unreached) || tried === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 300 * tried));
    }
  }
}

export function command(doc: CommandDoc): Promise<Answer> {
  return change("POST", "/commands", JSON.stringify(doc));
}

export function post<T>(path: string, doc: unknown = {}): Promise<T> {
  return change("POST", path, JSON.stringify(doc));
}

export function loadPlan(text: string, type: string, again: boolean): Promise<Answer> {
  return change("POST", `/plan${again ? "?again=true" : ""}`, text, type);
}

export function configure(changes: Record<string, unknown>): Promise<Answer> {
  return change("PATCH", "/config", JSON.stringify(changes));
}
