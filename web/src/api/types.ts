/** The documents of the API. */
type N<T> = T | null;

export interface WorkerDoc {
  id: string; role: N<string>; host: string; pane: N<string>; alive: boolean; status: string; reason: N<string>;
  agent: N<string>; model: N<string>; current_task: N<string>; attempt: N<number>; last_heartbeat: N<string>;
  worktree: N<string>; branch: N<string>; cpu_percent: N<number>; memory_bytes: N<number>; context_percent: N<number>;
  cost_usd: N<number>; input_tokens?: N<number>; output_tokens?: N<number>; health: N<number>;
}
export interface WaveDoc { id: number; tasks: string[]; state: string }
export type TaskCounts = Record<string, number>;
export interface ConflictDoc { file: string; workers: string[]; tasks: string[]; severity: string; description: string }
export interface BudgetDoc { spent_usd: N<number>; cap_usd: N<number> }
export interface Status {
  schema: number; session: N<string>; swarm: N<string>; status: string; paused: boolean; mode: string; wave: number;
  waves: WaveDoc[]; workers: WorkerDoc[]; tasks: TaskCounts; budget: BudgetDoc; asks: number;
  collisions?: ConflictDoc[]; stuck?: N<string>; held?: N<string>;
}
export interface TaskDoc {
  id: string; mission: string; state: string; since: string; reason: string; wave: number; critical_path: number;
  priority: string; depends_on: string[]; role: N<string>; agent: N<string>; assigned: N<string>; worker: N<string>;
  attempt: N<number>; attempts: number; took_ms: N<number>; cost_usd: N<number>; files_changed: N<number>;
  commit: N<string>; fixes: N<string>; fixed_by: N<string>; note: N<string>;
}
export interface TaskList { schema: number; tasks: TaskDoc[] }
export interface StepDoc { name: string; exit: N<number>; end: string; took_ms: number }
export interface ReceiptDoc {
  files: string[]; file_count: number; no_op: N<string>; outside_files: string[]; checks: StepDoc[];
  changed_by_checks: string[]; survivors: number; cost_usd: N<number>; cost_from: N<string>; took_ms: number; not_checked: string[];
}
export interface PastDoc {
  attempt: number; worker: string; model: N<string>; outcome: string; ended: string; cost_usd: N<number>;
  cost_from: N<string>; tokens: N<number>; reason: string;
}
export interface FailureDoc { attempt: number; outcome: string; model: N<string>; reason: string; output: string }
export interface TaskDetail extends TaskDoc {
  brief: string; success: string[]; category: N<string>; capabilities: string[]; model: N<string>; timebox_ms: N<number>;
  budget_usd: N<number>; files: string[]; owner_key: N<string>; hazards: string[]; max_retries: N<number>;
  failures: number; crashes: number; last_failure: N<FailureDoc>; receipt: N<ReceiptDoc>; history: PastDoc[];
}
export interface AskDoc {
  id: string; attempt: number; task: string; worker: string; kind: string; tool: N<string>; text: string;
  options: string[]; since: string; until: string; answer: N<string>;
}
export interface AskList { asks: AskDoc[] }
export interface CostRow {
  key: string; attempts: N<number>; accepted: N<number>; usd: N<number>; unknown: N<number>; tokens: N<number>;
  minutes: number; wasted_usd: N<number>;
}
export interface CapDoc {
  scope: string; measure: string; cap: number; spent: number; reserved: number; level: string; since: N<string>; until: N<string>;
}
export interface CostsDoc {
  swarm: N<string>; by: string; rows: CostRow[]; total: CostRow; reserved_usd: N<number>; waste_percent: N<number>;
  caps: CapDoc[]; refused: { task: string; reason: string }[];
}
export interface RecordDoc {
  what: string; name: string; succeeded: number; failed: number; success_percent: N<number>; p50_ms: N<number>;
  p95_ms: N<number>; usd_per_accepted: N<number>; breach: N<string>;
}
export interface ProviderDoc { name: string; state: string; running: number; reason: N<string>; until: N<string>; probe: N<number> }
export interface ReputationDoc { records: RecordDoc[]; providers: ProviderDoc[] }
export interface MemoDoc { key: string; value: string; source: string; task: string; worker: string; at: string }
export interface MemoList { memos: MemoDoc[] }
export interface ConflictList { conflicts: ConflictDoc[] }
export interface Setting { key: string; value: unknown; default: unknown; about: string }
export interface ConfigDoc { settings: Setting[] }
export interface WhyDoc { name: string; kind: string; state: string; since: string; reason: string }
export interface RemedyDoc { label: string; shell: string; command: N<CommandDoc> }
export interface ConcernDoc {
  severity: "critical" | "warning" | "info"; kind: string; about: string; subject: string; sentence: string;
  since: N<string>; remedies: RemedyDoc[];
}
export interface ConcernList { concerns: ConcernDoc[]; more: number }
export interface Answer { schema: number; seq: number; repeated: boolean; workers: string[] }
export interface ProblemDoc {
  type: string; title: string; status: number; detail: string; code: string; hint?: N<string>; diagnostics?: unknown;
}
export type CommandDoc = { verb: string; [key: string]: unknown };

/** An event of the log; beside these it has the fields of its type. */
export interface EventDoc {
  seq: number; at: string; trace: string; by: unknown; key: N<string>; type: string; [field: string]: unknown;
}
export interface LogLine { kind: string; text: string }
export interface LogPage { attempt: number; at: number; next: number; more: boolean; ended: boolean; lines: LogLine[] }
export interface SeriesDoc {
  step_ms: number; since: N<string>; at: number[]; counts: Record<string, number[]>; levels: Record<string, number[]>;
  peak: number[]; utilisation_percent: N<number>[]; usd: Record<string, number[]>; tokens: Record<string, number[]>;
  latency: Record<string, { count: number[]; mean_ms: N<number>[]; p50_ms: N<number>[]; p95_ms: N<number>[]; p99_ms: N<number>[] }>;
}
