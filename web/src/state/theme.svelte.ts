/** Dark, light, or as the system has it. */

export type Theme = "auto" | "light" | "dark";
const KEY = "skep-theme";

function kept(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto"; // Storage is switched off.
  }
}

class Themes {
  now = $state<Theme>(kept());
  /** Counts changes of what is seen, so that what is drawn on a canvas is drawn anew. */
  turn = $state(0);

  constructor() {
    this.#show();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.turn += 1));
  }

  next(): void {
    this.now = this.now === "auto" ? "light" : this.now === "light" ? "dark" : "auto";
    try {
      localStorage.setItem(KEY, this.now);
    } catch {
      // It holds until the page is closed, then.
    }
    this.#show();
  }

  #show(): void {
    document.documentElement.dataset["theme"] = this.now;
    this.turn += 1;
  }
}

export const themes = new Themes();
