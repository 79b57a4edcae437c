import './scalars.ts';
import './errors.ts';
import './batch.ts';
import './cancel-job.ts';
import './enqueue-job.ts';
import './flush-jobs.ts';
import './job-list.ts';
import './job-updates.ts';
import './job.ts';
import './poll-batch.ts';
import './stats.ts';
import { builder } from './builder.ts';

/** The whole schema; `npm run schema` prints it to schema.graphql. */
export const schema = builder.toSchema();
