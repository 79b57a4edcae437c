import { Batches } from './batches.ts';
import { Clock, Pace } from './clock.ts';
import type { DataDir } from './data-dir.ts';
import { Faults } from './faults.ts';
import { Journal, readJournal, type JournalEntry } from './journal.ts';
import { OutcomeRules } from './outcomes.ts';
import { RequestLog } from './request-log.ts';

export interface Settings {
  /** Divides the time requests take; neither the 24 h window nor the 29 days. Above 0. Default 1. */
  speed?: number;
  /** Pause after every line of a results body, in milliseconds. Default 0. */
  resultsDelayMs?: number;
}

/** The provider without its HTTP: state, clock, and the files they are kept in. */
export class Emulator {
  readonly dir: DataDir;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly pace: Pace;
  readonly batches: Batches;
  readonly log: RequestLog;
  readonly faults = new Faults();
  readonly rules = new OutcomeRules();
  readonly seed: number;
  /** Limit of a create's body. */
  readonly maxBodyBytes: number;
  resultsDelayMs: number;

  private constructor(dir: DataDir, journal: Journal, past: Past, maxBodyBytes: number) {
    this.dir = dir;
    this.journal = journal;
    this.clock = past.clock;
    this.pace = past.pace;
    this.seed = past.seed;
    this.resultsDelayMs = past.resultsDelayMs;
    this.maxBodyBytes = maxBodyBytes;
    this.log = new RequestLog(dir.file('requests.jsonl'));
    this.batches = new Batches({ dir, journal, clock: this.clock, pace: this.pace, rules: this.rules });
  }

  static async open(
    dir: DataDir,
    options: { speed?: number; seed?: number; maxBodyBytes: number },
  ): Promise<Emulator> {
    const entries = readJournal(dir.file('journal.jsonl'));
    const past = recall(entries, options);
    const journal = await Journal.open(dir.file('journal.jsonl'), dir.durable);
    const emulator = new Emulator(dir, journal, past, options.maxBodyBytes);
    emulator.batches.replay(entries);
    const { speed } = emulator.pace;
    await journal.append({ kind: 'started', atMs: past.startedMs, speed, seed: past.seed });
    dir.syncFolder();
    return emulator;
  }

  /** Moves the emulator's clock forward. */
  async advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) throw new TypeError('advanceMs: a number of milliseconds, 0 or more');
    this.clock.advance(ms);
    await this.journal.append({ kind: 'clock', offsetMs: this.clock.offsetMs });
  }

  async configure(settings: Settings): Promise<void> {
    const { speed = this.pace.speed, resultsDelayMs = this.resultsDelayMs } = settings;
    checkSpeed(speed);
    if (!Number.isFinite(resultsDelayMs) || resultsDelayMs < 0) {
      throw new TypeError('resultsDelayMs: a number of milliseconds, 0 or more');
    }
    const atMs = this.clock.now();
    this.pace.change(atMs, speed);
    this.resultsDelayMs = resultsDelayMs;
    this.batches.speedChanged();
    await this.journal.append({ kind: 'settings', atMs, speed, resultsDelayMs });
  }

  async close(): Promise<void> {
    await this.journal.close();
    this.log.close();
    this.dir.release();
  }
}

interface Past {
  clock: Clock;
  pace: Pace;
  seed: number;
  resultsDelayMs: number;
  startedMs: number;
}

/** What the journal left behind, with today's options on top: an option not given keeps its last value. */
function recall(entries: JournalEntry[], options: { speed?: number; seed?: number }): Past {
  const clock = new Clock(entries.findLast((entry) => entry.kind === 'clock')?.offsetMs ?? 0);
  const startedMs = clock.now();
  const changes = entries.filter((entry) => entry.kind === 'started' || entry.kind === 'settings');
  const first = changes[0] ?? { atMs: startedMs, speed: options.speed ?? 1 };
  checkSpeed(options.speed ?? 1);
  const pace = new Pace(first.speed, first.atMs);
  for (const { atMs, speed } of changes) pace.change(atMs, speed);
  pace.change(startedMs, options.speed ?? pace.speed);
  const seed = options.seed ?? entries.findLast((entry) => entry.kind === 'started')?.seed ?? 1;
  const delay = entries.findLast((entry) => entry.kind === 'settings')?.resultsDelayMs ?? 0;
  return { clock, pace, seed, resultsDelayMs: delay, startedMs };
}

function checkSpeed(speed: number): void {
  if (!Number.isFinite(speed) || speed <= 0) throw new TypeError('speed: a number above 0');
}
