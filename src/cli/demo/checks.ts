import { isDeepStrictEqual } from 'node:util';
import { Decimal } from 'decimal.js';
import type { GraphQLStats, JobResult, RestStats } from './answers.ts';
import type { JobLine } from './model.ts';
import { amount, dollars, shortId } from './text.ts';

/** Something that the demo asserts, in words that hold when it does. */
export interface Check {
  holds: boolean;
  text: string;
  /** What is wrong, when it does not hold. */
  problem: string;
}

/** One figure as both faces give it. */
export interface Comparison {
  name: string;
  graphql: string;
  rest: string;
  equal: boolean;
}

/** The figures that both faces have. REST rounds money half-even to six places; GraphQL's is exact. */
export function compareStats(graphql: GraphQLStats, rest: RestStats): Comparison[] {
  const count = (name: string, one: number, other: number) => compare(name, amount(one), amount(other));
  const money = (name: string, one: string, other: number) =>
    compare(name, dollars(one, 6), dollars(other, 6));
  return [
    count('jobs ever', graphql.totalJobs, rest.total_jobs_queued),
    count('pending', graphql.pendingJobs, rest.pending_jobs),
    count('processing', graphql.processingJobs, rest.processing_jobs),
    count('completed', graphql.completedJobs, rest.completed_jobs),
    count('failed', graphql.failedJobs, rest.failed_jobs),
    count('tokens', graphql.inputTokens + graphql.outputTokens, rest.total_tokens_used),
    money('cost', graphql.costUsd, rest.total_cost_usd),
    money('saved', graphql.savedUsd, rest.total_savings_usd),
  ];
}

function compare(name: string, graphql: string, rest: string): Comparison {
  return { name, graphql, rest, equal: graphql === rest };
}

/** Every job of the run is completed; a problem names each that is not, and why. */
export function checkCompleted(jobs: readonly JobLine[], results: readonly JobResult[]): Check {
  const others = results.flatMap(({ status, error }, index) => {
    if (status === 'COMPLETED') return [];
    const { id, type } = jobs[index]!;
    const why = error ? `${error.code}, ${error.message}` : 'without an error';
    return [`${shortId(id)} (${type}) is ${status.toLowerCase()}: ${why}`];
  });
  return {
    holds: others.length === 0,
    text: `all ${jobs.length} jobs are completed`,
    problem: others.join('; '),
  };
}

/** The state between pending and the end came over the WebSocket, for at least one job. */
export function checkSeen(jobs: readonly JobLine[], processing: ReadonlySet<string>): Check {
  return {
    holds: processing.size > 0,
    text: `${processing.size} of ${jobs.length} jobs were seen processing over the WebSocket`,
    problem: 'no job was seen processing over the WebSocket',
  };
}

/** REST hands out the result that GraphQL does. */
export function checkResults(pairs: readonly { graphql: unknown; rest: unknown }[]): Check {
  const different = pairs.filter(({ graphql, rest }) => !isDeepStrictEqual(graphql, rest)).length;
  return {
    holds: different === 0,
    text: `${pairs.length} results read through REST are the same as through GraphQL`,
    problem: `${different} of ${pairs.length} results differ between REST and GraphQL`,
  };
}

/** The figures of both faces agree. */
export function checkStats(comparisons: readonly Comparison[]): Check {
  const different = comparisons.filter(({ equal }) => !equal);
  const told = different.map(({ name, graphql, rest }) => `${name}: GraphQL ${graphql}, REST ${rest}`);
  return {
    holds: different.length === 0,
    text: 'both faces give the same figures',
    problem: `the two faces give different figures: ${told.join('; ')}`,
  };
}

/** The sum of amounts; null when one of them is not known. */
export function sum(values: readonly (string | null)[]): Decimal | null {
  return values.reduce<Decimal | null>(
    (total, value) => (total === null || value === null ? null : total.plus(value)),
    new Decimal(0),
  );
}
