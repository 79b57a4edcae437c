import { JobStatus } from '../../src/generated/prisma/enums.ts';
import type { Stage } from './setup.ts';

export const jobStatusValues = Object.values(JobStatus);

/** A job in that state, by the way that leads there. */
export async function stateOf(it: Stage, status: JobStatus): Promise<string> {
  // Whatever an earlier job left in the queue goes out of the way.
  await it.db.$executeRaw`UPDATE job SET due_at = 'infinity' WHERE claimable`;
  const [id] = await it.jobs(1);
  if (status === 'cancelled') await it.core.cancelJob(it.caller, id!);
  if (status === 'processing') await it.seal();
  if (status === 'failed')
    it.emulator.addOutcomes([{ outcome: { type: 'errored', errorType: 'invalid_request_error' }, times: 1 }]);
  if (status === 'failed' || status === 'completed') await it.run();
  return id!;
}
