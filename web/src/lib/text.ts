/**
 * Text from agents and plans, made harmless to look at. It is only ever rendered as text; what is left to do is
 * to show what a reader could not see: control characters, and those that reorder or hide what is around them.
 */

// C0 and C1 controls, bidirectional overrides and isolates, zero-width characters, tags.
const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

function picture(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\u27e8${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}

/** One line: line ends and tabs are shown as a space. */
export function line(text: string): string {
  return text.replace(UNSEEN, (c) => (c === "\n" || c === "\t" || c === "\r" ? " " : picture(c)));
}

/** Several lines: line ends and tabs stay. */
export function block(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(UNSEEN, (c) => (c === "\n" || c === "\t" ? c : picture(c)));
}
