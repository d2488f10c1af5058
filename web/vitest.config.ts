import { defineConfig } from "vitest/config";

/** `unit` is pure and quick; `browser` and `load` drive Chromium against a keeper that `cargo test -p skep --test web` starts. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["tests/unit/**/*.test.ts"] } },
      { test: { name: "browser", include: ["tests/browser/live.test.ts"], testTimeout: 30_000, hookTimeout: 60_000, sequence: { concurrent: false }, bail: 1 } },
      { test: { name: "load", include: ["tests/browser/load.test.ts"], testTimeout: 120_000, hookTimeout: 60_000 } },
    ],
  },
});
