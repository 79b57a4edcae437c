import { prepare } from '../graphql/operation.ts';

/** A number that GraphQL's BigInt gives in process: prints as a JSON number of any size. */
export type BigNumber = unknown;

/** What the legacy form of a job is made from. */
export interface JobFields {
  id: string;
  type: string;
  status: string;
  priority: number;
  customId: string | null;
  batch: { providerBatchId: string | null } | null;
  createdAt: string;
  updatedAt: string;
  runAfter: string | null;
  completedAt: string | null;
  usage: { totalTokens: number };
  error: { message: string } | null;
}

const JOB_FIELDS = /* GraphQL */ `
  fragment JobFields on Job {
    id
    type
    status
    priority
    customId
    batch {
      providerBatchId
    }
    createdAt
    updatedAt
    runAfter
    completedAt
    usage {
      totalTokens
    }
    error {
      message
    }
  }
`;

/** A member of a mutation's union that is not its success. */
export interface Refusal {
  __typename: string;
  code: string;
  message: string;
}

/** The members of a mutation's union: its one success, or an error. */
export type Outcome<Name extends string, Success, Extra = object> =
  | ({ __typename: Name } & Success)
  | (Refusal & Partial<Extra>);

export const enqueueJob = prepare<
  {
    enqueueJob: Outcome<
      'EnqueueJobSuccess',
      { job: JobFields; replayed: boolean; estimatedCompletion: string },
      { field: string; existingJob: { id: string } | null }
    >;
  },
  {
    input: {
      type: string;
      payload: object;
      priority: number;
      runAfter: string | null;
      customId: string | null;
    };
  }
>(/* GraphQL */ `
  mutation EnqueueJob($input: EnqueueJobInput!) {
    enqueueJob(input: $input) {
      __typename
      ... on EnqueueJobSuccess {
        job {
          ...JobFields
        }
        replayed
        estimatedCompletion
      }
      ... on Error {
        code
        message
      }
      ... on ValidationError {
        field
      }
      ... on IdempotencyConflictError {
        existingJob {
          id
        }
      }
    }
  }
  ${JOB_FIELDS}
`);

export const listJobs = prepare<
  {
    jobs: {
      edges: { node: JobFields }[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
      totalCount: { count: BigNumber };
    };
    stats: { pendingJobs: BigNumber; processingJobs: BigNumber };
  },
  { filter: { status?: string[]; type?: string[] }; first: number; after: string | null }
>(/* GraphQL */ `
  query ListJobs($filter: JobFilter, $first: Int, $after: String) {
    jobs(filter: $filter, first: $first, after: $after) {
      edges {
        node {
          ...JobFields
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount {
        count
      }
    }
    stats {
      pendingJobs
      processingJobs
    }
  }
  ${JOB_FIELDS}
`);

export const readJob = prepare<{ job: JobFields | null }, { id: string }>(/* GraphQL */ `
  query ReadJob($id: ID!) {
    job(id: $id) {
      ...JobFields
    }
  }
  ${JOB_FIELDS}
`);

export const readResult = prepare<
  {
    job: { status: string; resultJson: unknown; error: { code: string; message: string } | null } | null;
  },
  { id: string }
>(/* GraphQL */ `
  query ReadResult($id: ID!) {
    job(id: $id) {
      status
      resultJson
      error {
        code
        message
      }
    }
  }
`);

export const cancelJob = prepare<
  { cancelJob: Outcome<'CancelJobSuccess', object> },
  { input: { id: string } }
>(/* GraphQL */ `
  mutation CancelJob($input: CancelJobInput!) {
    cancelJob(input: $input) {
      __typename
      ... on Error {
        code
        message
      }
    }
  }
`);

export const readStats = prepare<{
  stats: {
    totalJobs: BigNumber;
    pendingJobs: BigNumber;
    processingJobs: BigNumber;
    completedJobs: BigNumber;
    failedJobs: BigNumber;
    inputTokens: BigNumber;
    outputTokens: BigNumber;
    costUsd: string;
    savedUsd: string;
    meanDurationMs: number | null;
  };
}>(/* GraphQL */ `
  query ReadStats {
    stats {
      totalJobs
      pendingJobs
      processingJobs
      completedJobs
      failedJobs
      inputTokens
      outputTokens
      costUsd
      savedUsd
      meanDurationMs
    }
  }
`);

/** Where a batch stands, in GraphQL's words. */
export type BatchState =
  | 'SEALED'
  | 'SUBMITTING'
  | 'UNKNOWN'
  | 'IN_PROGRESS'
  | 'CANCELING'
  | 'ENDED'
  | 'INGESTED'
  | 'REJECTED';

export interface BatchFields {
  id: string;
  providerBatchId: string | null;
  status: BatchState;
  message: string | null;
}

export const flushJobs = prepare<
  {
    flushJobs: Outcome<
      'FlushJobsSuccess',
      { batches: BatchFields[]; jobsCount: number; estimatedTokens: BigNumber }
    >;
  },
  {
    input: {
      maxJobs: number;
      types: string[] | null;
      minPriority: number;
      maxBatches: number;
      waitSeconds: number;
    };
  }
>(/* GraphQL */ `
  mutation FlushJobs($input: FlushJobsInput!) {
    flushJobs(input: $input) {
      __typename
      ... on FlushJobsSuccess {
        batches {
          id
          providerBatchId
          status
          message
        }
        jobsCount
        estimatedTokens
      }
      ... on Error {
        code
        message
      }
    }
  }
`);

export interface ResultFields {
  jobId: string | null;
  jobType: string | null;
  outcome: string;
  resultJson: unknown;
  error: string | null;
  totalTokens: BigNumber;
  durationMs: number | null;
}

export const pollBatch = prepare<
  {
    pollBatch: Outcome<
      'PollBatchSuccess',
      { batch: BatchFields; results: ResultFields[]; remaining: number }
    >;
  },
  { input: { id: string } }
>(/* GraphQL */ `
  mutation PollBatch($input: PollBatchInput!) {
    pollBatch(input: $input) {
      __typename
      ... on PollBatchSuccess {
        batch {
          id
          providerBatchId
          status
          message
        }
        results {
          jobId
          jobType
          outcome
          resultJson
          error
          totalTokens
          durationMs
        }
        remaining
      }
      ... on Error {
        code
        message
      }
    }
  }
`);
