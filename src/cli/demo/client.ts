import type { GraphQLStats, JobResult, RestStats } from './answers.ts';
import type { Example } from './examples.ts';
import { DemoFailure } from './failure.ts';
import type { BatchState } from './model.ts';

const BATCH = 'id providerBatchId status counts { requests }';

/** How long one request may take, in milliseconds; a flush waits for the provider. */
const TIMEOUT = 30_000;
/** How long a flush waits for the provider's id, in seconds. */
const FLUSH_WAIT = 5;

/** The public HTTP of a running Offpeak, as any client would use it: GraphQL and REST with one key. */
export class Client {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  }

  /** Stores a job through the face that it is meant for; returns its id. */
  enqueue(example: Example): Promise<string> {
    return example.face === 'GraphQL' ? this.#enqueueByGraphQL(example) : this.#enqueueByRest(example);
  }

  async #enqueueByGraphQL({ type, payload, customId }: Example): Promise<string> {
    const { enqueueJob } = await this.#graphql<{ enqueueJob: Failable<{ job: { id: string } }> }>(
      `mutation Enqueue($input: EnqueueJobInput!) {
        enqueueJob(input: $input) {
          ... on EnqueueJobSuccess { job { id } }
          ... on Error { code message }
        }
      }`,
      { input: { type: type.toUpperCase(), payload, customId, priority: 100 } },
    );
    return succeeded(enqueueJob).job.id;
  }

  async #enqueueByRest({ type, payload, customId }: Example): Promise<string> {
    const body = { job_type: type, payload, custom_id: customId, priority: 100 };
    const { job } = await this.#rest<{ job: { id: string } }>('POST', '/enqueue', body);
    return job.id;
  }

  /** The custom ids of the waiting jobs that `flush` would take. */
  async urgentJobs(): Promise<(string | null)[]> {
    const { jobs } = await this.#graphql<{ jobs: Edges<{ customId: string | null; priority: number }> }>(
      '{ jobs(first: 1000, filter: { status: [PENDING] }) { edges { node { customId priority } } } }',
    );
    return jobs.edges.flatMap(({ node }) => (node.priority === 100 ? [node.customId] : []));
  }

  /** Sends the jobs of the highest priority off, and waits for the provider's id. */
  async flush(): Promise<BatchState[]> {
    const { flushJobs } = await this.#graphql<{
      flushJobs: Failable<{ batches: (BatchState & { message: string | null })[] }>;
    }>(
      `mutation Flush($input: FlushJobsInput!) {
        flushJobs(input: $input) {
          ... on FlushJobsSuccess { batches { ${BATCH} message } }
          ... on Error { code message }
        }
      }`,
      { input: { minPriority: 100, waitSeconds: FLUSH_WAIT } },
    );
    const { batches } = succeeded(flushJobs);
    const rejected = batches.find(({ status }) => status === 'REJECTED');
    if (rejected) throw new DemoFailure(`The provider refused the batch: ${rejected.message}`);
    return batches;
  }

  /** The batches as they are now. */
  async batches(ids: readonly string[]): Promise<BatchState[]> {
    const { nodes } = await this.#graphql<{ nodes: (BatchState | null)[] }>(
      `query Batches($ids: [ID!]!) { nodes(ids: $ids) { ... on Batch { ${BATCH} } } }`,
      { ids },
    );
    return nodes.filter((batch) => batch !== null);
  }

  /** What became of jobs, in the order asked. */
  async results(ids: readonly string[]): Promise<JobResult[]> {
    const { nodes } = await this.#graphql<{ nodes: JobResult[] }>(
      `query Results($ids: [ID!]!) {
        nodes(ids: $ids) {
          ... on Job {
            id status error { code message } resultJson
            usage { inputTokens cacheReadTokens cacheWriteTokens outputTokens }
            cost { actualUsd standardUsd savedUsd }
          }
        }
      }`,
      { ids },
    );
    return nodes;
  }

  /** The result of a completed job, read through REST. */
  resultByRest(id: string): Promise<object> {
    return this.#rest('GET', `/jobs/${id}/result`);
  }

  /** The tenant's figures through both faces, one read right after the other. */
  async stats(): Promise<{ graphql: GraphQLStats; rest: RestStats }> {
    const { stats } = await this.#graphql<{ stats: GraphQLStats }>(
      `{ stats {
        totalJobs pendingJobs processingJobs completedJobs failedJobs
        inputTokens outputTokens costUsd savedUsd simulated
      } }`,
    );
    return { graphql: stats, rest: await this.#rest<RestStats>('GET', '/stats') };
  }

  async #graphql<Data>(query: string, variables?: object): Promise<Data> {
    const answer = await this.#send<{ data?: Data | null; errors?: { message: string }[] }>(
      'POST',
      '/graphql',
      { query, variables },
    );
    if (answer.errors?.length || !answer.data) {
      const said = answer.errors?.map(({ message }) => message).join(' ') ?? JSON.stringify(answer);
      throw new DemoFailure(`GraphQL answered with an error: ${said}`);
    }
    return answer.data;
  }

  #rest<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    return this.#send(method, `/api/v1/batch${path}`, body);
  }

  async #send<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: this.#headers,
      signal: AbortSignal.timeout(TIMEOUT),
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status === 401) {
      throw new DemoFailure(
        'The operator key is not one of this database. Set OFFPEAK_OPERATOR_KEY, or make a key with `npx offpeak keys create`.',
      );
    }
    if (!response.ok)
      throw new DemoFailure(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as Answer;
  }
}

type Failable<Success> = Success | { code: string; message: string };
interface Edges<Node> {
  edges: { node: Node }[];
}

function succeeded<Success extends object>(answer: Failable<Success>): Success {
  if ('code' in answer) throw new DemoFailure(`Offpeak refused: ${answer.message} (${answer.code})`);
  return answer;
}
