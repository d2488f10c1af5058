/** Where the page is: a place and, over it, one thing in detail. Kept in the address, so that "back" works. */

export const PLACES = ["overview", "tasks", "graph", "timeline", "charts", "costs", "events", "settings"] as const;
export type Place = (typeof PLACES)[number];

export interface Detail {
  kind: "task" | "worker";
  id: string;
}

function read(hash: string): { place: Place; detail: Detail | undefined; filter: string } {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const place = PLACES.find((p) => p === path) ?? "overview";
  const asked = new URLSearchParams(query);
  const filter = asked.get("state") ?? "";
  for (const kind of ["task", "worker"] as const) {
    const id = asked.get(kind);
    if (id) return { place, detail: { kind, id }, filter };
  }
  return { place, detail: undefined, filter };
}

class Route {
  place = $state<Place>("overview");
  detail = $state.raw<Detail | undefined>(undefined);
  #filter = $state("");

  constructor() {
    this.#follow();
    addEventListener("hashchange", () => this.#follow());
  }

  /** The state that tasks must have to be listed; empty lists all. */
  get filter(): string {
    return this.#filter;
  }
  set filter(state: string) {
    this.#filter = state;
    history.replaceState(null, "", this.#address());
  }

  go(place: Place): void {
    this.#to(`#/${place}`);
  }

  open(kind: Detail["kind"], id: string): void {
    this.#to(this.#address([kind, id]));
  }

  /** A dialog says that it was closed a moment after it was; by then the page may be elsewhere, and stays there. */
  close(): void {
    if (this.detail) this.#to(this.#address());
  }

  #to(address: string): void {
    location.hash = address;
    // The browser tells of it later.
    this.#follow();
  }

  #address(...more: [string, string][]): string {
    const asked = new URLSearchParams(this.#filter ? [["state", this.#filter], ...more] : more);
    return `#/${this.place}${asked.size ? `?${asked}` : ""}`;
  }

  #follow(): void {
    const { place, detail, filter } = read(location.hash);
    this.place = place;
    this.detail = detail;
    this.#filter = filter;
  }
}

export const route = new Route();
