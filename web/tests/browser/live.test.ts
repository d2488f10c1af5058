/**
 * The page on a living keeper with a plan that runs: every panel and every control, in order, in one browser.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accessible, go, json, keeperPid, look, REPO, shot, skep, until, type Looked } from "./skep";

const PLACES = ["overview", "tasks", "graph", "timeline", "charts", "costs", "events", "settings"];
let looked: Looked;
const page = () => looked.page;
const main = () => page().locator("main");
const dialog = () => page().locator("dialog[open]");
const button = (name: string | RegExp, within = page().locator("body")) =>
  within.getByRole("button", { name, exact: typeof name === "string" });

interface Task { id: string; state: string; priority: string; assigned: string | null; mission: string; attempts: number }
const tasks = () => json<{ tasks: Task[] }>("tasks").tasks;
const task = (id: string) => tasks().find((t) => t.id === id);
const workers = () => json<{ workers: { id: string; status: string; current_task: string | null }[] }>("workers").workers;
const said = (text: string | RegExp) => page().locator(".notices").getByText(text).first().waitFor();
const close = async () => {
  await page().keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
};

beforeAll(async () => {
  looked = await look();
});

afterAll(async () => {
  // Where it came to: what to look at first when a test has failed.
  if (looked) await shot(page(), "last");
  await looked?.browser.close();
});

// proves: U-3
test("one look tells whether it is well, and one click mends it", async () => {
  await page().getByText("It goes on, and", { exact: false }).waitFor();
  expect(await page().title()).toContain("dash");
  await main().getByRole("grid", { name: "Workers" }).getByText("w3").waitFor();
  await until("the task that fails is flagged", () => task("broken")?.state === "flagged");
  const verdict = page().getByRole("region", { name: "Is it well?" });
  await button("Begin it anew", verdict.locator("li", { hasText: "broken" })).click();
  await said(/^Done: begin it anew/i);
  await until("it was begun anew", () => (task("broken")?.attempts ?? 0) >= 2);
  await shot(page(), "overview");
});

// proves: L-4b
test("a question is answered where it is read", async () => {
  const asks = page().getByRole("region", { name: "Questions" });
  await asks.getByText("Which colour <b>shall</b> it be?").waitFor();
  expect(await asks.locator("b").count()).toBe(0);
  await shot(page(), "asks");
  await accessible(page(), "asks");
  await button("blue", asks).click();
  await until("the agent has it", () => existsSync(join(REPO, "../outside/colour")));
  expect(readFileSync(join(REPO, "../outside/colour"), "utf8").trim()).toBe("blue");
  // The second one in words.
  await asks.getByText("And what name?").waitFor();
  await asks.getByRole("textbox").fill("Tom & <i>Jerry</i>");
  await button("Answer", asks).click();
  await until("the agent has it, too", () => existsSync(join(REPO, "../outside/name")));
  expect(readFileSync(join(REPO, "../outside/name"), "utf8").trim()).toBe("Tom & <i>Jerry</i>");
  await asks.waitFor({ state: "detached" });
});

// proves: U-3
test("the swarm is paused, resumed and scaled", async () => {
  await button("Pause").click();
  await button("Resume").waitFor();
  expect(json<{ paused: boolean }>("status").paused).toBe(true);
  await page().keyboard.press("p");
  await button("Pause").waitFor();
  expect(json<{ paused: boolean }>("status").paused).toBe(false);
  await button("Scale…").click();
  await accessible(page(), "scale");
  await button("Add", dialog()).click();
  await until("there is another worker", () => workers().some((w) => w.id === "w5"));
});

// proves: U-3
test("a worker is looked into and steered, by the keyboard", async () => {
  const grid = main().getByRole("grid", { name: "Workers" });
  await grid.getByText("w5").waitFor();
  const w = workers().find((w) => w.current_task === "long")!.id;
  // Those at work come first.
  const rows = await grid.locator(".space [role=row]").allInnerTexts();
  const at = rows.findIndex((row) => row.split(/\s/).includes(w));
  await page().keyboard.press("g");
  for (let n = 0; n <= at; n += 1) await page().keyboard.press("j");
  await page().keyboard.press("Enter");
  await dialog().getByText(`Worker ${w}`).waitFor();
  // The shell agent of `long` counts, and prints what would drive a terminal.
  await dialog().getByText("line 3", { exact: true }).waitFor();
  await shot(page(), "worker");
  await accessible(page(), "worker");
  await button("Pause", dialog()).click();
  await said(`${w} takes no more tasks`);
  await button("Resume", dialog()).click();
  await said(`${w} takes tasks again`);
  await dialog().getByRole("combobox", { name: /^Model/ }).fill("small-model");
  await button("Use it", dialog()).click();
  await said(/small-model from its next attempt/);
  await button("Restart", dialog()).click();
  await button("Stop its attempt?", dialog()).click();
  await said(`${w} begins afresh`);
  await close();
  await grid.getByText("w5", { exact: true }).click();
  await dialog().getByText("Worker w5").waitFor();
  await button("Remove", dialog()).click();
  await until("it is gone", () => !workers().some((w) => w.id === "w5"));
  await dialog().getByText("This worker is gone.").waitFor();
  await close();
});

// proves: U-3
test("the queue is filtered and ordered, and its tasks are steered", async () => {
  await page().keyboard.press("2");
  const grid = main().getByRole("grid", { name: "Queue" });
  await grid.getByText("later-1", { exact: true }).waitFor();
  // Names of plans are shown as text, whatever they hold.
  expect(await grid.getByText("<script>window.pwned=1</script>", { exact: false }).count()).toBeGreaterThan(0);
  await shot(page(), "queue");
  await page().keyboard.press("/");
  await page().keyboard.type("later-2");
  await until("only what matches is left", async () => (await grid.locator(".space [role=row]").count()) === 1);
  await grid.getByText("later-2", { exact: true }).click();
  await button("Boost", dialog()).click();
  await until("it is boosted", () => task("later-2")?.priority === "P0");
  await dialog().getByRole("combobox", { name: "Priority" }).selectOption("P1");
  await until("it has another priority", () => task("later-2")?.priority === "P1");
  await dialog().getByRole("combobox", { name: "Only for worker" }).selectOption("w2");
  await until("it is assigned", () => task("later-2")?.assigned === "w2");
  await shot(page(), "task");
  await accessible(page(), "task");
  await button("Edit…", dialog()).click();
  const edit = page().locator("dialog[open]").last();
  await edit.getByLabel("Goal, in one sentence").fill("Do it otherwise.");
  await edit.getByLabel(/^Command/).fill("echo other > later-2.txt");
  await button("Save", edit).click();
  await until("it is another task", () => task("later-2")?.mission === "Do it otherwise.");
  await button("Skip", dialog()).click();
  await button("Count it as merged, undone?", dialog()).click();
  await until("it is skipped", () => task("later-2")?.state === "merged");
  await close();
  await page().getByLabel("Filter tasks").fill("later-3");
  await grid.getByText("later-3", { exact: true }).click();
  await button("Cancel", dialog()).click();
  await button("Give it up?", dialog()).click();
  await until("it is cancelled", () => task("later-3")?.state === "cancelled");
  await close();
  await page().getByLabel("Filter tasks").fill("");
  await page().getByLabel("State", { exact: true }).selectOption("cancelled");
  await until("only the cancelled one is left", async () => (await grid.locator(".space [role=row]").count()) === 1);
  await page().getByLabel("State", { exact: true }).selectOption("");
  await button(/^Prio/, grid).click();
  await button(/^Task/, grid).click();
  await expect.poll(async () => grid.locator('[role=columnheader][aria-sort="ascending"]').innerText()).toContain("Task");
});

// proves: U-3
test("tasks and plans are added, and faults are told", async () => {
  await page().keyboard.press("n");
  await accessible(page(), "add a task");
  await dialog().getByLabel("Name").fill("Not A Name");
  await dialog().getByLabel("Goal, in one sentence").fill("Made in the page.");
  await button("Add", dialog()).click();
  await dialog().getByRole("alert").getByText("id:").waitFor();
  await dialog().getByLabel("Name").fill("from-page");
  await dialog().getByLabel(/^Command/).fill("echo hello > from-page.txt");
  await shot(page(), "add-task");
  await button("Add", dialog()).click();
  await until("it joined", () => task("from-page") !== undefined);
  await page().keyboard.press("l");
  await dialog().getByLabel("The plan").fill('[swarm]\nname = "x"\nwrong = 1\n[[task]]\nid = "a"\nmission = "A."\n');
  await button("Load", dialog()).click();
  await dialog().getByRole("alert").getByText("wrong").waitFor();
  await shot(page(), "plan-fault");
  await accessible(page(), "a plan's fault");
  await close();
});

// proves: U-3
test("waves are opened and closed, and lead to tasks", async () => {
  await go(page(), "graph");
  await main().getByText("Wave 2").waitFor();
  const boxes = main().locator(".box");
  const many = await boxes.count();
  await button("Close all").click();
  await until("each wave is one box", async () => (await boxes.count()) < many);
  await button("Open all").click();
  await until("all are open", async () => (await boxes.count()) >= many);
  await shot(page(), "graph");
  const first = main().locator(".box[tabindex='0']");
  await first.focus();
  await page().keyboard.press("ArrowRight");
  expect(await page().evaluate(() => document.activeElement?.className)).toContain("box");
  await page().keyboard.press("Enter");
  await dialog().getByText(/^Task /).first().waitFor();
  await close();
});

// proves: U-3
test("charts are drawn, with the same as tables", async () => {
  await go(page(), "charts");
  for (const title of ["Tasks per hour", "Queue by state", "Utilisation", "Workers, attempts and scale events", "Spend"]) {
    const figure = main().locator("figure", { hasText: title }).first();
    await figure.locator("canvas").waitFor();
  }
   await main().getByLabel("The last").selectOption("15m");
   await main().locator("summary").first().click();
   await main().locator("figure table tbody tr").first().waitFor();
  await shot(page(), "charts");
});

// proves: U-3, S-7
test("costs are added up in every way", async () => {
  await go(page(), "costs");
  const costs = page().getByRole("region", { name: "Costs" });
  for (const by of ["task", "worker", "role", "day", "model"]) {
    await costs.getByRole("combobox").selectOption(by);
    await costs.locator("thead th", { hasText: by }).waitFor();
  }
  await shot(page(), "costs");
});

// proves: U-3
test("events come live, are held and filtered", async () => {
  await go(page(), "events");
  const grid = main().getByRole("grid", { name: "Events" });
  await button(/Hold still/).click();
  const newest = () => grid.locator(".space [role=row]").first().innerText();
  const held = await newest();
  skep("tasks", "boost", "later-1");
  await until("it happened", () => task("later-1")?.priority === "P0");
  expect(await newest()).toBe(held);
  await button(/Go on/).click();
  await page().getByLabel("Filter events").fill("later-1");
  await grid.getByText("priority is P0").first().waitFor();
  await grid.getByText("priority is P0").first().click();
  await dialog().getByText('"task_boosted"').waitFor();
  await accessible(page(), "an event");
  await close();
  await page().getByLabel("Filter events").fill("");
  await shot(page(), "events");
});

// proves: U-3, S-8
test("settings are saved, refused and reset", async () => {
  await go(page(), "settings");
  const cap = page().locator("#set-concurrency");
  await cap.waitFor();
  const was = await cap.inputValue();
  const config = () => json<{ settings: { key: string; value: unknown; default: unknown }[] }>("config").settings.find((s) => s.key === "concurrency");
  await cap.fill("no number");
  await button("Save").click();
  await page().getByRole("alert").getByText("concurrency").waitFor();
  await shot(page(), "settings-fault");
  await accessible(page(), "a setting's fault");
  await cap.fill("7");
  await button("Save").click();
  await until("it is saved", () => config()?.value === 7);
  await page().locator(".setting", { has: cap }).getByText("Changed.").waitFor();
  await button(/^Reset concurrency/).click();
  await until("it is the default", () => config()?.value === config()?.default);
  await cap.fill("9");
  await button("Undo").click();
  expect(await cap.inputValue()).not.toBe("9");
  expect(was).not.toBe("");
  await page().getByLabel("Filter settings").fill("concurrency");
  await until("the others are gone", async () => (await page().locator(".setting").count()) < 10);
  await page().getByLabel("Filter settings").fill("");
});

// proves: U-3
test("every place is accessible, dark and light, wide and on a phone", async () => {
  await page().keyboard.press("Escape");
  await page().evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page().keyboard.press("?");
  await dialog().getByText("Pause or resume the swarm").waitFor();
  await accessible(page(), "keys");
  await close();
  await page().keyboard.press("d");
  for (const scheme of ["light", "dark"]) {
    expect(await page().evaluate(() => document.documentElement.dataset["theme"])).toBe(scheme);
    for (const place of await offered()) {
      await go(page(), place);
      await page().waitForFunction(() => !document.querySelector("main")?.textContent?.includes("Asking the keeper"));
      await accessible(page(), `${place}, ${scheme}`);
      await shot(page(), `${place}-${scheme}`);
    }
    if (scheme === "light") await button("Colours: light").click();
  }
  await button("Colours: dark").click();
  await page().emulateMedia({ reducedMotion: "reduce" });
  await page().setViewportSize({ width: 390, height: 844 });
  for (const place of await offered()) {
    await go(page(), place);
    await page().waitForFunction(() => !document.querySelector("main")?.textContent?.includes("Asking the keeper"));
    const over = await page().evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(over, `${place} is wider than a phone`).toBeLessThanOrEqual(0);
    await shot(page(), `${place}-phone`);
  }
  await accessible(page(), "on a phone");
  await page().setViewportSize({ width: 1400, height: 900 });
});

/** The places that this page has. */
async function offered(): Promise<string[]> {
  const links = await page().locator("nav a").evaluateAll((all) => all.map((a) => a.getAttribute("href")?.slice(2) ?? ""));
  expect(links.every((l) => PLACES.includes(l))).toBe(true);
  return links;
}

// proves: U-3, T-3
test("nothing was complained of, and nobody's text was run", async () => {
  // Chromium notes every refusal; these few were asked for: a name that is none, two faults, and a worker that had gone.
  const asked = [/422 .*\/commands$/, /422 .*\/plan$/, /422 .*\/config$/, /404 .*\/why\/w5$/];
  const others = looked.complaints.filter((c) => !asked.some((a) => a.test(c)));
  expect(others).toEqual([]);
  looked.complaints.length = 0;
  expect(await page().evaluate(() => (window as unknown as { pwned?: number }).pwned)).toBeUndefined();
});

// proves: U-3
test("the page survives a keeper that is killed", async () => {
  await go(page(), "overview");
  const before = keeperPid();
  process.kill(before, "SIGKILL");
  await page().getByRole("alert").getByText(/Connection lost/).waitFor();
  await shot(page(), "lost");
  await until("the watchdog has started another", () => {
    try {
      return keeperPid() !== before && json<{ swarm: string }>("status").swarm === "dash";
    } catch {
      return false;
    }
  }, 30_000);
  await page().getByRole("alert").waitFor({ state: "detached" });
  // What happens now is seen, and what is clicked is done.
  await page().keyboard.press("p");
  await button("Resume").waitFor();
  expect(json<{ paused: boolean }>("status").paused).toBe(true);
  await page().keyboard.press("p");
  await button("Pause").waitFor();
  // It complained of what could not be fetched, and of nothing else.
  const others = looked.complaints.filter((c) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 503/.test(c));
  expect(others).toEqual([]);
});

// proves: U-3
test("the plan ends in the page, too", async () => {
  writeFileSync(join(REPO, "../outside/go"), "");
  await until("all is merged but what was given up", () => tasks().every((t) => ["merged", "cancelled", "flagged"].includes(t.state)), 60_000);
  await page().getByText("is well", { exact: false }).or(page().getByText("It goes on, and")).or(page().getByText("All is done")).first().waitFor();
  await shot(page(), "end");
});
