import { readdirSync, rmSync } from 'node:fs';
import { timestamp, type Clock, type Pace } from './clock.ts';
import type { DataDir } from './data-dir.ts';
import type { BatchItem } from './envelope.ts';
import { ApiError } from './errors.ts';
import { randomId } from './ids.ts';
import type { AcceptedBatch, Journal, JournalEntry } from './journal.ts';
import type { OutcomeRules } from './outcomes.ts';
import { decided } from './decisions.ts';
import type { CreateContext } from './params.ts';
import { scanRequests, writeRequests, type RequestIndex } from './request-file.ts';
import { RETENTION_MS, Schedule, WINDOW_MS, type Settlement } from './schedule.ts';
import type { MessageBatch, ProcessingStatus } from './wire.ts';

/** Indexes kept in memory; those of other batches are read from their files again. */
const INDEXES_KEPT = 16;

export interface Batch extends AcceptedBatch {
  cancelMs: number | undefined;
  deletedMs: number | undefined;
  settled: (Settlement & { speedChanges: number }) | undefined;
}

export interface Page {
  limit: number;
  afterId?: string;
  beforeId?: string;
}

/** One accepted batch as the control routes tell it, deleted ones included. */
export interface Accepted {
  id: string;
  workspace: string;
  created_at: string;
  custom_ids: string[];
  status: ProcessingStatus | 'deleted';
  cancel_initiated_at: string | null;
  ended_at: string | null;
  deleted_at: string | null;
}

interface Parts {
  dir: DataDir;
  journal: Journal;
  clock: Clock;
  pace: Pace;
  rules: OutcomeRules;
}

/**
 * All batches and their states. Nothing runs in the background: where a batch stands follows from its
 * requests, its cancel and the clock, and is worked out when somebody looks.
 */
export class Batches {
  readonly #parts: Parts;
  readonly #all = new Map<string, Batch>();
  readonly #indexes = new Map<string, RequestIndex>();
  #seq = 0;
  #speedChanges = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes in what the journal says of batches. */
  replay(entries: JournalEntry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'accepted') this.#admit(entry);
      if (entry.kind === 'canceled') this.#get(entry.id).cancelMs = entry.atMs;
      if (entry.kind === 'deleted') this.#get(entry.id).deletedMs = entry.atMs;
    }
    this.#removeOrphans();
  }

  /** Forgets what was worked out with the speed of before. */
  speedChanged(): void {
    this.#speedChanges += 1;
  }

  /** Accepts a batch. Its requests are on the disk before the journal names it, and both before this resolves. */
  async create(
    workspace: string,
    items: BatchItem[],
    seed: number,
    bytes: number,
    context: CreateContext,
  ): Promise<Batch> {
    const { dir, journal, clock, rules } = this.#parts;
    const id = randomId('msgbatch');
    const index = await writeRequests(this.#path(id), decided(items, rules, context), dir.durable);
    dir.syncFolder('batches');
    this.#seq += 1;
    const accepted = {
      id,
      workspace,
      seq: this.#seq,
      createdMs: clock.now(),
      count: items.length,
      bytes,
      seed,
    };
    await journal.append({ kind: 'accepted', ...accepted });
    this.#keepIndex(id, index);
    return this.#admit(accepted);
  }

  /** The batch, if this workspace may see it. */
  find(workspace: string, id: string): Batch {
    const batch = this.#all.get(id);
    if (!batch || batch.workspace !== workspace || batch.deletedMs !== undefined) {
      throw new ApiError(404, `Message batch with ID \`${id}\` not found.`);
    }
    return batch;
  }

  /** A page of a workspace's batches, newest first, and whether more follow in the direction asked for. */
  list(workspace: string, page: Page): { batches: Batch[]; hasMore: boolean } {
    const visible = [...this.#all.values()]
      .filter((batch) => batch.workspace === workspace && batch.deletedMs === undefined)
      .toSorted((a, b) => b.seq - a.seq);
    if (page.beforeId !== undefined) {
      const { seq } = this.find(workspace, page.beforeId);
      const newer = visible.filter((batch) => batch.seq > seq);
      return { batches: newer.slice(-page.limit), hasMore: newer.length > page.limit };
    }
    const seq = page.afterId === undefined ? Infinity : this.find(workspace, page.afterId).seq;
    const older = visible.filter((batch) => batch.seq < seq);
    return { batches: older.slice(0, page.limit), hasMore: older.length > page.limit };
  }

  /** Starts a cancel; a second one changes nothing. Refusing it once the batch has ended is a choice. */
  async cancel(batch: Batch): Promise<void> {
    const { clock, journal } = this.#parts;
    if (this.status(batch) === 'ended') {
      throw new ApiError(400, `Message batch ${batch.id} cannot be canceled: processing has ended.`);
    }
    if (batch.cancelMs === undefined) {
      batch.cancelMs = clock.now();
      batch.settled = undefined;
      await journal.append({ kind: 'canceled', id: batch.id, atMs: batch.cancelMs });
    }
    await journal.flushed();
  }

  /** Deletes an ended batch. The status of the refusal is a choice. */
  async delete(batch: Batch): Promise<void> {
    if (this.status(batch) !== 'ended') {
      throw new ApiError(
        400,
        `Message batch ${batch.id} cannot be deleted while it is being processed; cancel it first.`,
      );
    }
    batch.deletedMs = this.#parts.clock.now();
    await this.#parts.journal.append({ kind: 'deleted', id: batch.id, atMs: batch.deletedMs });
  }

  status(batch: Batch): ProcessingStatus {
    if (this.#parts.clock.now() >= this.#settlement(batch).endedMs) return 'ended';
    return batch.cancelMs === undefined ? 'in_progress' : 'canceling';
  }

  archived(batch: Batch): boolean {
    return this.#parts.clock.now() >= batch.createdMs + RETENTION_MS;
  }

  /** The batch as the API shows it; until the end every request counts as processing. `origin` is the emulator's own URL. */
  view(batch: Batch, origin: string): MessageBatch {
    const { endedMs, counts } = this.#settlement(batch);
    const status = this.status(batch);
    const ended = status === 'ended';
    const none = { processing: batch.count, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
    return {
      id: batch.id,
      type: 'message_batch',
      processing_status: status,
      request_counts: ended ? counts : none,
      created_at: timestamp(batch.createdMs, batch.seq),
      expires_at: timestamp(batch.createdMs + WINDOW_MS, batch.seq),
      ended_at: ended ? timestamp(endedMs, batch.seq) : null,
      cancel_initiated_at: this.#instant(batch, batch.cancelMs),
      archived_at: this.archived(batch) ? timestamp(batch.createdMs + RETENTION_MS, batch.seq) : null,
      // Kept after archiving, a choice: the field is documented as set once processing has ended.
      results_url: ended ? `${origin}/v1/messages/batches/${batch.id}/results` : null,
    };
  }

  /** Everything ever accepted, oldest first. */
  *accepted(): Generator<Accepted> {
    for (const batch of this.#all.values()) {
      const shown = this.view(batch, '');
      yield {
        id: batch.id,
        workspace: batch.workspace,
        created_at: shown.created_at,
        custom_ids: this.index(batch).customIds,
        status: batch.deletedMs === undefined ? shown.processing_status : 'deleted',
        cancel_initiated_at: shown.cancel_initiated_at,
        ended_at: shown.ended_at,
        deleted_at: this.#instant(batch, batch.deletedMs),
      };
    }
  }

  schedule(batch: Batch): Schedule {
    return new Schedule(this.index(batch), batch, this.#parts.pace);
  }

  index(batch: Batch): RequestIndex {
    const index = this.#indexes.get(batch.id) ?? scanRequests(this.#path(batch.id));
    this.#keepIndex(batch.id, index);
    return index;
  }

  requestsPath(batch: Batch): string {
    return this.#path(batch.id);
  }

  #settlement(batch: Batch): Settlement {
    if (batch.settled?.speedChanges !== this.#speedChanges) {
      batch.settled = { ...this.schedule(batch).settle(), speedChanges: this.#speedChanges };
    }
    return batch.settled;
  }

  #instant(batch: Batch, ms: number | undefined): string | null {
    return ms === undefined ? null : timestamp(ms, batch.seq);
  }

  #admit(accepted: AcceptedBatch): Batch {
    const { id, workspace, seq, createdMs, count, bytes, seed } = accepted;
    const batch: Batch = {
      id,
      workspace,
      seq,
      createdMs,
      count,
      bytes,
      seed,
      cancelMs: undefined,
      deletedMs: undefined,
      settled: undefined,
    };
    this.#seq = Math.max(this.#seq, seq);
    this.#all.set(id, batch);
    return batch;
  }

  #get(id: string): Batch {
    const batch = this.#all.get(id);
    if (!batch) throw new Error(`the journal names an unknown batch: ${id}`);
    return batch;
  }

  #path(id: string): string {
    return this.#parts.dir.file(`batches/${id}.jsonl`);
  }

  #keepIndex(id: string, index: RequestIndex): void {
    this.#indexes.delete(id);
    this.#indexes.set(id, index);
    const [oldest] = this.#indexes.keys();
    if (this.#indexes.size > INDEXES_KEPT && oldest !== undefined) this.#indexes.delete(oldest);
  }

  /** A crash between the two writes of a create leaves requests of a batch that was never accepted. */
  #removeOrphans(): void {
    const folder = this.#parts.dir.file('batches');
    for (const name of readdirSync(folder)) {
      if (!this.#all.has(name.replace(/\.jsonl$/, ''))) rmSync(`${folder}/${name}`);
    }
  }
}
