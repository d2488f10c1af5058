import { expect, test } from "vitest";
import { NONE, bytes, count, span, usd } from "../../src/lib/format";

// proves: U-3
test("what is not known is no nought", () => {
  for (const show of [usd, count, bytes, span]) {
    expect(show(null)).toBe(NONE);
    expect(show(0)).not.toBe(NONE);
  }
});

test("numbers are short and exact enough", () => {
  expect([0, 0.0012, 1.5, 12345].map(usd)).toEqual(["$0.00", "$0.0012", "$1.50", "$12,345"]);
  expect([999, 9999, 12_345, 1_234_567].map(count)).toEqual(["999", "9,999", "12k", "1.2M"]);
  expect([0, 999, 1500, 123_456_789].map(bytes)).toEqual(["0 B", "999 B", "1.5 kB", "123 MB"]);
  expect([0, 250, 59_400, 200_000, 7_500_000, 90_000_000].map(span)).toEqual(["0 s", "250 ms", "59 s", "3 m 20 s", "2 h 5 m", "1 d 1 h"]);
});
