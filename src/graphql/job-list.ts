import { queryFromInfo } from '@pothos/plugin-prisma';
import { MAX_PAGE_SIZE, type JobFilter as Filter } from '../core/index.ts';
import { builder } from './builder.ts';
import { actorOf } from './context.ts';
import { Job, JobStatusType, JobTypeType } from './job.ts';
import { nonEmpty } from './load.ts';

/** How many rows a page has unless asked otherwise. */
const DEFAULT_PAGE = 50;

const JobFilter = builder.inputType('JobFilter', {
  description: 'Which jobs; all parts must match. A part left out, or an empty list, matches everything.',
  fields: (t) => ({
    status: t.field({ type: [JobStatusType], description: 'One of these.' }),
    type: t.field({ type: [JobTypeType], description: 'One of these.' }),
  }),
});

const JobTotal = builder.objectRef<{ count: bigint; exact: boolean }>('Total').implement({
  description: 'How many there are.',
  fields: (t) => ({
    count: t.expose('count', { type: 'BigInt', description: 'The number.' }),
    exact: t.exposeBoolean('exact', { description: 'False when the number is an estimate.' }),
  }),
});

builder.queryField('jobs', (t) =>
  t.connection(
    {
      type: Job,
      description: `The tenant’s jobs, newest first; ${DEFAULT_PAGE} a page unless \`first\` or \`last\` says otherwise, at most ${MAX_PAGE_SIZE}.`,
      args: {
        filter: t.arg({ type: JobFilter, description: 'Which jobs; all without it.' }),
      },
      resolve: async (_root, args, context, info) => {
        const backward = args.last != null && args.first == null;
        const size = args.first ?? args.last ?? DEFAULT_PAGE;
        const query = queryFromInfo({
          context,
          info,
          typeName: 'Job',
          paths: [['edges', 'node'], ['nodes']],
        });
        const filter = toFilter(args.filter);
        const page = await context.core.listJobs<typeof Job.$inferType>(
          actorOf(context),
          filter,
          { size, backward, after: args.after ?? undefined, before: args.before ?? undefined },
          nonEmpty(query),
        );
        return {
          filter,
          edges: page.rows.map(({ cursor, row }) => ({ cursor, node: row })),
          pageInfo: {
            hasNextPage: page.hasNextPage,
            hasPreviousPage: page.hasPreviousPage,
            startCursor: page.rows.at(0)?.cursor,
            endCursor: page.rows.at(-1)?.cursor,
          },
        };
      },
    },
    {
      name: 'JobConnection',
      description: 'A page of jobs.',
      fields: (connection) => ({
        totalCount: connection.field({
          type: JobTotal,
          description:
            'How many jobs match the filter, on all pages; from kept counts, so it costs next to nothing.',
          resolve: async (parent, _args, context) => ({
            count: await context.core.countJobs(
              actorOf(context),
              (parent as unknown as { filter: Filter }).filter,
            ),
            exact: true,
          }),
        }),
      }),
    },
    { name: 'JobEdge', description: 'A job in a page.' },
  ),
);

function toFilter(filter: typeof JobFilter.$inferInput | null | undefined): Filter {
  return { status: filter?.status ?? undefined, type: filter?.type ?? undefined };
}
