import { readFile } from 'node:fs/promises';
import type { Face } from './model.ts';
import { jobTypeNames } from '../../core/index.ts';

/** A job to enqueue. */
export interface Example {
  /** As in REST: `risk_report`; GraphQL has the same in capitals. */
  type: string;
  face: Face;
  payload: object;
  customId: string;
}

/** What the custom ids of every run begin with. */
export const PREFIX = 'demo-';

const plan: readonly (readonly [Face, readonly string[]])[] = [
  ['GraphQL', jobTypeNames],
  ['REST', ['risk_report', 'sentiment_analysis']],
];

/** All example payloads through GraphQL and two of them again through REST, under names that only this run uses. */
export async function readExamples(run: string): Promise<Example[]> {
  const examples = plan.flatMap(([face, types]) => types.map((type) => ({ face, type })));
  return Promise.all(
    examples.map(async ({ face, type }) => ({
      face,
      type,
      payload: await readPayload(type),
      customId: `${PREFIX}${run}-${face.toLowerCase()}-${type}`,
    })),
  );
}

async function readPayload(type: string): Promise<object> {
  const file = new URL(`../../../examples/payloads/${type}.json`, import.meta.url);
  return JSON.parse(await readFile(file, 'utf8')) as object;
}
