/** The program under test, and the browser that looks at it. What they are comes from `cargo test -p skep --test web`. */
import axe from "axe-core";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { expect, vi } from "vitest";

function env(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`cargo test -p skep --test web\``);
  return value;
}

export const REPO = env("SKEP_TEST_REPO");
const SHOTS = env("SKEP_TEST_SHOTS");

export function skep(...args: string[]): string {
  return execFileSync(env("SKEP_TEST_BIN"), ["-C", REPO, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export function json<T = Record<string, unknown>>(...args: string[]): T {
  return JSON.parse(skep(...args, "--json")) as T;
}

/** The process that has the keeper's loop. */
export function keeperPid(): number {
  const doc = JSON.parse(readFileSync(join(REPO, ".skep/keeper.json"), "utf8")) as { pid: number };
  return doc.pid;
}

export interface Looked {
  browser: Browser;
  page: Page;
  /** What the page complained of. */
  complaints: string[];
}

/** Signs a browser in by a link of `skep dash`. */
export async function look(width = 1400, height = 900): Promise<Looked> {
  const browser = await chromium.launch({ executablePath: env("SKEP_TEST_CHROMIUM"), args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complaints.push(`thrown: ${error.message}`));
  // A dialog of the browser's own would mean that somebody's text was run.
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const { url } = json<{ url: string }>("dash", "--no-open");
  await page.goto(url);
  await page.waitForURL((at) => at.pathname === "/");
  return { browser, page, complaints };
}

export async function go(page: Page, place: string): Promise<void> {
  await page.evaluate((hash) => (location.hash = hash), `#/${place}`);
}

export async function shot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

/** axe finds nothing. Evaluated over the debugger, which the page's policy does not bind. */
export async function accessible(page: Page, what: string): Promise<void> {
  await page.evaluate(`if (!window.axe) { ${axe.source} }`);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (o: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const result = await axe.run({ resultTypes: ["violations"] });
    return result.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} (${n.failureSummary.replaceAll("\n", " ")})`).join(" | ")}`);
  });
  expect(found, what).toEqual([]);
}

/** Waits until it holds, bounded. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  await vi.waitUntil(holds, { timeout: ms, interval: 100 }).catch(() => {
    throw new Error(`in ${ms} ms it never held that ${what}`);
  });
}
