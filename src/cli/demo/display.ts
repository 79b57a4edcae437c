import { styleText } from 'node:util';
import { settled, type BatchLine, type JobLine, type JobStatus, type Model, type Step } from './model.ts';
import { cut, left, right, seconds, shortId } from './text.ts';

type Style = Parameters<typeof styleText>[0];

/** Something that has just happened; where lines cannot be redrawn it becomes one line. */
export type Change = { step: Step } | { job: JobLine } | { batch: BatchLine };

/** The width that the layout is made for; a wider terminal gets the same, a narrower one wraps. */
export const WIDTH = 80;
const TIME = 9;

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const looks: Record<JobStatus, { symbol: string; style: Style }> = {
  PENDING: { symbol: '○', style: 'gray' },
  PROCESSING: { symbol: '', style: 'cyan' },
  COMPLETED: { symbol: '✓', style: 'green' },
  FAILED: { symbol: '✗', style: 'red' },
  CANCELLED: { symbol: '–', style: 'yellow' },
};

const dim = (text: string): string => styleText('dim', text);

/** The mark of everything that the emulator answered. */
export function badge(simulated: boolean): string {
  return simulated
    ? styleText(['bold', 'black', 'bgYellow'], ' SIMULATED ')
    : styleText(['bold', 'white', 'bgRed'], ' REAL ');
}

/** The first lines: what this is, and whether anything of it is real. */
export function title(simulated: boolean): string[] {
  return ['', `  ${styleText('bold', 'Offpeak demo')}  ${meaning(simulated)}`, ''];
}

/** The mark with what it means. */
export function meaning(simulated: boolean): string {
  const words = simulated
    ? 'prices are real, answers and tokens are not'
    : 'this uses your ANTHROPIC_API_KEY and costs money';
  return `${badge(simulated)}  ${words}`;
}

/** The heading of a part. */
export function heading(text: string): string[] {
  return ['', `  ${styleText('bold', text)}`, ''];
}

/** The whole live picture at one moment, a string a line; `still` is the last one, in which nothing turns. */
export function renderLive(model: Model, now: number, still = false): string[] {
  const frame = still ? '·' : spinner[Math.floor(now / 100) % spinner.length]!;
  return [
    ...model.steps.map((step) => renderStep(step, now, frame)),
    ...(model.jobs.length ? ['', jobHeader(), ...model.jobs.map((job) => renderJob(job, now, frame))] : []),
    ...(model.batches.length
      ? ['', batchHeader(), ...model.batches.map((batch) => renderBatch(batch, model.simulated, now, frame))]
      : []),
  ];
}

function renderStep(step: Step, now: number, frame: string): string {
  const done = step.endedAt !== undefined;
  const symbol = done ? styleText('green', '✓') : styleText('cyan', frame);
  const time = right(seconds((step.endedAt ?? now) - step.beganAt), TIME);
  const name = styleText('bold', left(step.name, 10));
  return `  ${symbol} ${name}${left(step.text, WIDTH - 14 - TIME)}${dim(time)}`;
}

function jobHeader(): string {
  const names = `${left('Job', 18)}  ${left('Id', 11)}  ${left('Through', 7)}  ${left('Status', 10)}`;
  return dim(`    ${names} ${right('Waited', TIME)} ${right('In batch', TIME + 2)}`);
}

function renderJob(job: JobLine, now: number, frame: string): string {
  const { symbol, style } = looks[job.status];
  const end = job.endedAt ?? now;
  const waited = seconds((job.processingAt ?? end) - job.enqueuedAt);
  const inBatch = job.processingAt === undefined ? '' : seconds(end - job.processingAt);
  const status = styleText(style, left(job.status.toLowerCase(), 10));
  const who = `${left(job.type, 18)}  ${dim(left(shortId(job.id), 11))}  ${left(job.face, 7)}`;
  const times = `${right(waited, TIME)} ${right(inBatch, TIME + 2)}`.trimEnd();
  return `  ${styleText(style, symbol || frame)} ${who}  ${status} ${times}`;
}

function batchHeader(): string {
  return dim(`    ${left('Batch', 33)} ${left('Status', 11)} ${right('Jobs', 5)} ${right('Age', TIME)}`);
}

function renderBatch(batch: BatchLine, simulated: boolean, now: number, frame: string): string {
  const style = batchStyle(batch);
  const symbol = settled.includes(batch.status) ? (batch.status === 'INGESTED' ? '✓' : '✗') : frame;
  const id = left(batch.providerBatchId ?? shortId(batch.id), 33);
  const status = styleText(style, left(words(batch.status), 11));
  const age = right(seconds((batch.endedAt ?? now) - batch.sealedAt), TIME);
  return `  ${styleText(style, symbol)} ${id} ${status} ${right(String(batch.requests), 5)} ${age}  ${badge(simulated)}`;
}

function batchStyle({ status }: BatchLine): Style {
  if (status === 'INGESTED') return 'green';
  return status === 'REJECTED' || status === 'UNKNOWN' ? 'red' : 'cyan';
}

/** An enum's name as words: IN_PROGRESS → in progress. */
function words(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}

/** The same as a line in a log, for where nothing can be redrawn; `since` is the time since the start. */
export function renderChange(change: Change, simulated: boolean, since: number): string {
  return cut(`${right(seconds(since), TIME)}  ${describe(change, simulated)}`, WIDTH);
}

function describe(change: Change, simulated: boolean): string {
  if ('step' in change) return `${left(change.step.name, 9)} ${change.step.text}`;
  if ('job' in change) {
    const { id, type, face, status } = change.job;
    return `${left('job', 9)} ${left(shortId(id), 12)} ${left(type, 19)} ${left(face, 8)} ${status.toLowerCase()}`;
  }
  const { id, providerBatchId, status } = change.batch;
  return `${left('batch', 9)} ${providerBatchId ?? shortId(id)} ${words(status)}${simulated ? ' SIMULATED' : ''}`;
}
