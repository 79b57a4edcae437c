import { NotFoundError, parseId, type JobUpdate as JobUpdateShape } from '../core/index.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { loadJob } from './load.ts';
import { JobStatusType } from './job.ts';

const UpdateKind = builder.enumType('UpdateKind', {
  description: 'What an update is about.',
  values: {
    READY: { description: 'The subscription stands; query the list now, and every later change will come.' },
    SNAPSHOT: { description: 'The state as it is at the beginning.' },
    CHANGED: { description: 'The state after a change.' },
  } as const,
});

const JobUpdate = builder.objectRef<JobUpdateShape>('JobUpdate').implement({
  description:
    'The state of a job at a point of the log. Updates come at least once, in the order of versions; what lies between two is left out when they come faster than they are read.',
  fields: (t) => ({
    kind: t.expose('kind', { type: UpdateKind, description: 'What it is about.' }),
    cursor: t.exposeString('cursor', { description: 'The place in the log; give it as `after` to resume.' }),
    gap: t.exposeBoolean('gap', {
      description:
        'The cursor given as `after` is unknown or too old: what you know may be older than the log.',
    }),
    version: t.int({
      nullable: true,
      description: 'The job’s version; rises by one with each change. Null in READY.',
      resolve: (update) => update.version,
    }),
    status: t.field({
      type: JobStatusType,
      nullable: true,
      description: 'Its status at that version. Null in READY.',
      resolve: (update) => update.status,
    }),
    at: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it changed to it. Null in READY.',
      resolve: (update) => update.at,
    }),
    job: t.prismaField({
      type: 'Job',
      nullable: true,
      description:
        'The job as it is when the update is delivered, so it may be newer than `version`. Null in READY, and when it has been deleted.',
      resolve: (query, { jobId }, _args, context) => loadJob(context, jobId, query),
    }),
  }),
});

builder.subscriptionField('jobUpdated', (t) =>
  t.field({
    type: JobUpdate,
    description:
      'Watches one job: a SNAPSHOT first, then a CHANGED for each change of its status. Needs the scope `jobs:read`.',
    args: {
      id: t.arg.id({ required: true, description: 'Such as job_01jd8x….' }),
      after: t.arg.string({
        description:
          'The cursor of the last update you saw, to learn by `gap` whether the log still accounts for it.',
      }),
    },
    subscribe: (_root, { id, after }, context) => {
      const jobId = parseId('job', id);
      if (!jobId) throw new NotFoundError('Job');
      return context.core.watchJob(actorOf(context), jobId, after ?? undefined);
    },
    resolve: (update) => update,
  }),
);
