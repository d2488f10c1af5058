import { expect, test } from "vitest";
import { due, earliest, LEAST_MS } from "../../src/state/pace";

// proves: U-3
test("a view is fetched at most twice a second, and a slow one less often", () => {
  expect(earliest(undefined)).toBe(0);
  expect(earliest({ began: 1000, took: 20 })).toBe(1000 + LEAST_MS);
  // What takes 300 ms may take a fifth of the time.
  expect(earliest({ began: 1000, took: 300 })).toBe(2500);
});

test("what nothing happened to is fetched when it is old", () => {
  const past = { began: 1000, took: 20 };
  expect(due(past, true, 10_000)).toBe(1500);
  expect(due(past, false, 10_000)).toBe(11_000);
  expect(due(undefined, false, 10_000)).toBe(0);
});
