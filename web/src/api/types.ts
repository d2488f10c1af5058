/**
 * The documents of the API under the names that the page has for them. `schema.d.ts` is made of the OpenAPI document
 * by `npm run types`; a test holds them to be the same.
 */
import type { components, paths } from "./schema";

type Docs = components["schemas"];

export type Answer = Docs["AnswerDoc"];
export type AlertList = Docs["AlertList"];
export type AskDoc = Docs["AskDoc"];
export type AskList = Docs["AskList"];
export type AttemptDoc = Docs["AttemptDoc"];
export type AttemptList = Docs["AttemptList"];
export type CapDoc = Docs["CapDoc"];
export type ConcernDoc = Docs["ConcernDoc"];
export type ConcernList = Docs["ConcernList"];
export type ConfigDoc = Docs["ConfigDoc"];
export type ConflictList = Docs["ConflictList"];
export type CostsDoc = Docs["CostsDoc"];
export type LogLine = Docs["LogLine"];
export type LogPage = Docs["LogPage"];
export type MemoList = Docs["MemoList"];
export type ProblemDoc = Docs["Problem"];
export type QueueDoc = Docs["QueueDoc"];
export type QueuedDoc = Docs["QueuedDoc"];
export type ReputationDoc = Docs["ReputationDoc"];
export type SeriesDoc = Docs["SeriesDoc"];
export type Status = Docs["Status"];
export type TargetsDoc = Docs["TargetsDoc"];
export type TaskDetail = Docs["TaskDetail"];
export type TaskDoc = Docs["TaskDoc"];
export type TaskList = Docs["TaskList"];
export type WaveDoc = Docs["WaveDoc"];
export type WhyDoc = Docs["WhyDoc"];
export type WorkerDoc = Docs["WorkerDoc"];
/** What may be sent: what has a default can be left out. */
export type CommandDoc = NonNullable<paths["/api/v1/commands"]["post"]["requestBody"]>["content"]["application/json"];

/** An event of the log; beside these it has the fields of its type, which the log alone knows. */
export interface EventDoc {
  seq: number;
  at: string;
  by: unknown;
  type: string;
  [field: string]: unknown;
}
