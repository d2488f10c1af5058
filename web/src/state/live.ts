/**
 * The stream of events, resumed where it broke off. Batches are handed on at most once a frame: at 200 events a
 * second a reader is woken 60 times, not 200, and a hidden page only once a second.
 */
import { BASE } from "../api/client";
import type { EventDoc } from "../api/types";

export type Connection = "connecting" | "live" | "lost";

const RETRY_MS = [250, 500, 1000, 2000, 4000];
/** What is kept of events that nobody took yet, such as while the page is hidden. */
const HELD_MOST = 2000;

export class Live {
  #source: EventSource | undefined;
  #last = 0;
  #tail = 0;
  #tried = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #held: EventDoc[] = [];
  #asked = false;

  constructor(
    private readonly onBatch: (batch: EventDoc[]) => void,
    private readonly onConnection: (now: Connection) => void,
  ) {}

  /** Opens the stream with the last `tail` events: a log may hold millions. */
  start(tail: number): void {
    this.#tail = tail;
    this.#open();
  }

  /** At once, and not when the next try is due: something else has just reached the keeper. */
  hurry(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#open();
  }

  #open(): void {
    this.#source?.close();
    // After a break all that was missed is heard; a page that was away for long has no use for more than it keeps.
    const source = new EventSource(`${BASE}/events?after=${this.#last}&tail=${this.#tail}`);
    this.#source = source;
    source.onopen = () => {
      this.#tried = 0;
      this.onConnection("live");
    };
    source.onmessage = (message: MessageEvent<string>) => this.#take(message.data);
    // The browser's own retry would do after a cut, but not after a refused connection; ours does both.
    source.onerror = () => {
      source.close();
      this.onConnection("lost");
      const wait = RETRY_MS[Math.min(this.#tried, RETRY_MS.length - 1)] ?? 4000;
      this.#tried += 1;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#open();
      }, wait);
    };
  }

  #take(data: string): void {
    const event = JSON.parse(data) as EventDoc;
    if (event.seq <= this.#last) return;
    this.#last = event.seq;
    this.#held.push(event);
    if (this.#held.length > HELD_MOST) this.#held.splice(0, this.#held.length - HELD_MOST);
    if (this.#asked) return;
    this.#asked = true;
    const flush = () => {
      this.#asked = false;
      const batch = this.#held;
      this.#held = [];
      this.onBatch(batch);
    };
    if (document.hidden) setTimeout(flush, 1000);
    else requestAnimationFrame(flush);
  }
}
