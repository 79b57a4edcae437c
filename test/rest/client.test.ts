import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { generateApi } from 'swagger-typescript-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BATCH_TIME, startServer, type TestServer } from '../harness/http.ts';

const run = promisify(execFile);
const compiler = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')));

/**
 * A program as a user of the generated client writes it: no cast, no `any`. What it assigns to declared types is what
 * the types have to say; a description that is less exact does not compile.
 */
const PROGRAM = `import {
  Api,
  type BatchResult,
  type HttpResponse,
  type Job,
  type JobListResponse,
  type Refusal,
  type StatsResponse,
} from './api.ts';

export interface Life {
  statuses: Job['status'][];
  listed: string[];
  outcomes: BatchResult['status'][];
  result: unknown;
  cancelled: (boolean | undefined)[];
  stats: StatsResponse;
  refused: Refusal['detail'] | undefined;
}

export async function live(baseUrl: string, key: string, finish: () => Promise<void>): Promise<Life> {
  const client = new Api<string>({
    baseUrl,
    securityWorker: (token) => ({ headers: { Authorization: \`Bearer \${token}\` } }),
  });
  client.setSecurityData(key);
  const batch = client.api;
  const { data: first } = await batch.enqueueJobApiV1BatchEnqueuePost({
    job_type: 'sentiment_analysis',
    payload: { headlines: ['Rates stay where they are'] },
    custom_id: 'news-1',
    run_after: null,
  });
  const { data: second } = await batch.enqueueJobApiV1BatchEnqueuePost({ job_type: 'risk_report', payload: {} });
  const id: string = first.job.id;
  const statuses = [first.job.status];
  const page: JobListResponse = (
    await batch.listJobsApiV1BatchJobsGet({ status: 'pending', job_type: 'sentiment_analysis', limit: 10 })
  ).data;
  const called = (await batch.cancelJobApiV1BatchJobsJobIdCancelPost(second.job.id)).data;
  const calledAgain = (await batch.cancelJobApiV1BatchJobsJobIdCancelPost(second.job.id)).data;
  const { data: flushed } = await batch.flushQueueApiV1BatchInternalFlushPost({ max_jobs: 10, min_priority: 0 });
  if (flushed.batch_id === null) throw new Error(flushed.message);
  statuses.push((await batch.getJobApiV1BatchJobsJobIdGet(id)).data.status);
  await finish();
  const { data: polled } = await batch.pollBatchApiV1BatchInternalPollPost({ batch_id: flushed.batch_id });
  const { data: job } = await batch.getJobApiV1BatchJobsJobIdGet(id);
  statuses.push(job.status);
  const completed: string | null = job.completed_at;
  if (completed === null || Number.isNaN(Date.parse(completed))) throw new Error('no time of completion');
  const refused = await batch.getJobApiV1BatchJobsJobIdGet('nonsense').then(
    () => undefined,
    (answer: HttpResponse<unknown, Refusal>) => answer.error.detail,
  );
  return {
    statuses,
    listed: page.jobs.map((each) => each.id),
    outcomes: polled.results.map((each) => each.status),
    result: (await batch.getJobResultApiV1BatchJobsJobIdResultGet(id)).data,
    cancelled: [called['success'], calledAgain['success']],
    stats: (await batch.getStatsApiV1BatchStatsGet()).data,
    refused,
  };
}
`;

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'offpeak-client-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await server[Symbol.asyncDispose]();
});

test('a client generated from the OpenAPI document compiles strictly and takes a job all the way', async () => {
  const spec = await (await fetch(`${server.url}/openapi.json`)).json();
  const { files } = await generateApi({
    fileName: 'api.ts',
    output: false,
    spec,
    httpClientType: 'fetch',
    generateUnionEnums: true,
    silent: true,
  });
  await writeFile(join(folder, 'api.ts'), files[0]!.fileContent);
  await writeFile(join(folder, 'program.ts'), PROGRAM);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(COMPILER));
  const complaints = await run(process.execPath, [compiler, '-p', folder]).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  );
  expect(complaints).toBe('');
  const { live } = await import(pathToFileURL(join(folder, 'program.js')).href);
  const life = await live(server.url, server.token, () => server.offpeak.emulator.advance(BATCH_TIME));
  expect(life).toEqual({
    statuses: ['pending', 'processing', 'completed'],
    listed: [expect.stringMatching(/^job_/)],
    outcomes: ['succeeded'],
    result: expect.any(Object),
    cancelled: [true, false],
    stats: expect.objectContaining({ total_jobs_queued: 2, completed_jobs: 1, pending_jobs: 0 }),
    refused: 'Job not found',
  });
}, 60_000);

const COMPILER = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    target: 'es2024',
    // The generated client is one for browsers too, and names their types.
    lib: ['es2024', 'dom'],
    types: [],
    module: 'nodenext',
    rewriteRelativeImportExtensions: true,
  },
  files: ['program.ts'],
};
