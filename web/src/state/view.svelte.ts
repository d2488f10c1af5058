/** A view of the API that is kept fresh while somebody looks at it. */
import { ApiError, getText } from "../api/client";
import { due, type Past } from "./pace";

export interface Clock {
  reached(): void;
  unreached(): void;
  refused(error: ApiError): void;
}

export class View<T> {
  /** The last answer; undefined before the first. */
  doc = $state.raw<T | undefined>(undefined);
  /** Why there is none, or no newer one. */
  error = $state.raw<string | undefined>(undefined);
  /** This keeper has no such view. */
  absent = $state(false);

  #holders = 0;
  #dirty = true;
  #past: Past | undefined;
  #text: string | undefined;
  #busy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #generation = 0;
  #waiters: (() => void)[] = [];

  constructor(
    private path: string,
    private readonly clock: Clock,
    private readonly every = 10_000,
  ) {}

  /** Another address for the same view, such as another window of time. */
  turn(path: string): void {
    if (path === this.path) return;
    this.path = path;
    this.#text = undefined;
    this.#past = undefined;
    this.#generation += 1;
    this.spoil();
  }

  /** Keeps it fresh until the returned function is called. */
  hold(): () => void {
    this.#holders += 1;
    this.#plan();
    return () => {
      this.#holders -= 1;
      if (this.#holders === 0) clearTimeout(this.#timer);
    };
  }

  /** Something happened that it may show. */
  spoil(): void {
    this.#dirty = true;
    this.#plan();
  }

  /** What it showed was of a keeper that is no more. */
  renew(): void {
    this.absent = false;
    this.#past = undefined;
    this.spoil();
  }

  /** The next answer that was asked for after this call. */
  async fresh(): Promise<void> {
    this.spoil();
    await new Promise<void>((resolve) => {
      if (this.#holders === 0) resolve();
      else this.#waiters.push(resolve);
    });
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (this.#holders === 0 || this.#busy || this.absent) return;
    const hidden = document.hidden ? 10 : 1;
    const wait = due(this.#past, this.#dirty, this.every * hidden) - performance.now();
    this.#timer = setTimeout(() => void this.#fetch(), Math.max(0, wait));
  }

  async #fetch(): Promise<void> {
    this.#busy = true;
    this.#dirty = false;
    const waiters = this.#waiters.splice(0);
    const began = performance.now();
    const generation = this.#generation;
    try {
      const text = await getText(this.path);
      // The answer to another question: the next one is on its way.
      if (generation !== this.#generation) return;
      this.clock.reached();
      // Most answers are the last one again; then nothing is parsed, and nothing drawn.
      if (text !== this.#text) {
        this.doc = JSON.parse(text) as T;
        this.#text = text;
      }
      this.error = undefined;
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error instanceof ApiError) {
        this.clock.reached();
        this.clock.refused(error);
        this.absent = error.status === 404 && error.problem.code === "no_such_route";
        this.error = error.problem.hint ? `${error.message}; ${error.problem.hint}` : error.message;
      } else {
        this.#dirty = true;
        this.clock.unreached();
      }
    } finally {
      if (generation === this.#generation) this.#past = { began, took: performance.now() - began };
      this.#busy = false;
      for (const resolve of waiters) resolve();
      this.#plan();
    }
  }
}
