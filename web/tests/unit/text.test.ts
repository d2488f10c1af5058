import { expect, test } from "vitest";
import { block, line } from "../../src/lib/text";

// proves: T-3
test("what a reader could not see is shown", () => {
  expect(line("\u001b[31mred\u0007")).toBe("\u241b[31mred\u2407");
  expect(line("a\nb\tc")).toBe("a b c");
  expect(block("a\r\nb\tc\u0000")).toBe("a\nb\tc\u2400");
  // What would turn `cod.exe` around, or hide in it.
  expect(line("doc\u202eexe\u200b\ufeff")).toBe("doc\u27e8202E\u27e9exe\u27e8200B\u27e9\u27e8FEFF\u27e9");
  expect(line("\u{e0041}")).toBe("\u27e8E0041\u27e9");
});

test("what people write stays as it is", () => {
  const text = "Füge <b>λ</b> & 日本 🐝 hinzu";
  expect(line(text)).toBe(text);
  expect(block(text)).toBe(text);
});
