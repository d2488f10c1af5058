/** All that the page knows: one view for each document, the last events, and whether the keeper is there. */
import { ApiError, Unreached, command as send } from "../api/client";
import type {
  AskList, CommandDoc, ConcernList, ConfigDoc, ConflictList, CostsDoc, EventDoc, MemoList, ReputationDoc,
  Status, TaskList,
} from "../api/types";
import { Live, type Connection } from "./live";
import { View, type Clock } from "./view.svelte";

/** So many events are kept for the feed; the log has all of them. */
const FEED = 1000;

export interface Notice {
  id: number;
  bad: boolean;
  text: string;
  hint: string | undefined;
}

class Store implements Clock {
  connection = $state<Connection>("connecting");
  /** Since when nobody answers. */
  lostAt = $state<number | undefined>(undefined);
  /** The keeper is there and does not know this browser (any more). */
  signedOut = $state(false);
  events = $state.raw<EventDoc[]>([]);
  /** How many events came in all, for "so many new ones". */
  seen = $state(0);
  notices = $state<Notice[]>([]);
  /** The hour, once a second: what is shown as "ago" follows it. */
  now = $state(Date.now());

  readonly status = new View<Status>("/status", this, 2_000);
  readonly tasks = new View<TaskList>("/tasks", this, 15_000);
  readonly asks = new View<AskList>("/asks", this, 5_000);
  readonly concerns = new View<ConcernList>("/concerns", this, 5_000);
  readonly costs = new View<CostsDoc>("/costs", this, 10_000);
  readonly conflicts = new View<ConflictList>("/conflicts", this, 15_000);
  readonly reputation = new View<ReputationDoc>("/reputation", this, 15_000);
  readonly memos = new View<MemoList>("/memos", this, 15_000);
  readonly config = new View<ConfigDoc>("/config", this, 30_000);

  /** Views that somebody made for one page, such as a task's. */
  readonly #more = new Set<View<unknown>>();
  readonly #live = new Live(
    (batch) => this.#heard(batch),
    (now) => this.#connected(now),
  );
  #notice = 0;

  start(): void {
    this.#live.start(FEED);
    setInterval(() => (this.now = Date.now()), 1000);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#spoil();
    });
  }

  /** A view that events spoil as they do the others, until `hold`'s return is called. */
  view<T>(path: string, every?: number): View<T> {
    return new View<T>(path, this, every);
  }

  /** Keeps views fresh; for an effect, which returns what this returns. */
  hold(...views: View<never>[] | View<unknown>[]): () => void {
    const all = views as View<unknown>[];
    const releases = all.map((view) => {
      this.#more.add(view);
      return view.hold();
    });
    return () => {
      for (const release of releases) release();
    };
  }

  reached(): void {
    this.signedOut = false;
    if (this.lostAt !== undefined) this.#live.hurry();
  }

  unreached(): void {
    this.#connected("lost");
  }

  refused(error: ApiError): void {
    if (error.status === 401) this.signedOut = true;
  }

  /** Sends a command, says what came of it, and shows its effect as soon as it is there. */
  async act(doc: CommandDoc, done: string): Promise<boolean> {
    return this.attempt(() => send(doc), done);
  }

  async attempt(change: () => Promise<unknown>, done: string): Promise<boolean> {
    try {
      await change();
      this.say(done);
      this.#spoil();
      return true;
    } catch (error) {
      this.complain(error);
      return false;
    }
  }

  /** Something was changed by other means than {@link act}: show it. */
  refresh(): void {
    this.#spoil();
  }

  complain(error: unknown): void {
    if (error instanceof ApiError) {
      this.refused(error);
      this.say(error.message, true, error.problem.hint ?? undefined);
    } else {
      this.say(this.word(error), true);
    }
  }

  /** What is wrong, and what to do, in a sentence. */
  word(error: unknown): string {
    if (error instanceof ApiError) {
      return error.problem.hint ? `${error.message}; ${error.problem.hint}` : error.message;
    }
    if (error instanceof Unreached) return "The keeper does not answer; try again once the page is connected";
    return error instanceof Error ? error.message : String(error);
  }

  say(text: string, bad = false, hint?: string): void {
    this.#notice += 1;
    const notice = { id: this.#notice, bad, text, hint };
    this.notices = [...this.notices.slice(-3), notice];
    // A refusal stays until it is read and closed.
    if (!bad) setTimeout(() => this.dismiss(notice.id), 4000);
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((n) => n.id !== id);
  }

  #heard(batch: EventDoc[]): void {
    this.seen += batch.length;
    this.events = [...this.events, ...batch].slice(-FEED);
    this.#spoil();
  }

  #connected(now: Connection): void {
    if (now === "lost" && this.lostAt === undefined) this.lostAt = Date.now();
    if (now === "live" && this.lostAt !== undefined) {
      this.lostAt = undefined;
      for (const view of this.#all()) view.renew();
    }
    this.connection = now;
  }

  #spoil(): void {
    for (const view of this.#all()) view.spoil();
  }

  #all(): View<unknown>[] {
    const own: View<never>[] | unknown = [
      this.status, this.tasks, this.asks, this.concerns, this.costs, this.conflicts, this.reputation, this.memos,
      this.config,
    ];
    return [...new Set([...(own as View<unknown>[]), ...this.#more])];
  }
}

export const store = new Store();
