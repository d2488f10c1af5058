/** Keys that work everywhere but in a field. One table: the help shows it, too. */

export interface Shortcut {
  key: string;
  does: string;
  run: () => void;
}

/** Where typing means typing. */
function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}

export function listen(shortcuts: () => Shortcut[]): () => void {
  const heard = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    // A dialog that is open has the keyboard to itself.
    if (document.querySelector("dialog[open]")) return;
    const found = shortcuts().find((s) => s.key === event.key);
    if (!found) return;
    event.preventDefault();
    found.run();
  };
  addEventListener("keydown", heard);
  return () => removeEventListener("keydown", heard);
}
