import { createHash } from 'node:crypto';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOffpeak, type TestOffpeak } from '../harness/offpeak.ts';
import { serveRest, type RestServer } from './server.ts';

let offpeak: TestOffpeak;
let rest: RestServer;
let document: any;

beforeAll(async () => {
  offpeak = await startOffpeak();
  rest = await serveRest(offpeak.core);
  document = (await rest.send({ path: '/openapi.json' })).json;
});
afterAll(async () => {
  await rest[Symbol.asyncDispose]();
  await offpeak[Symbol.asyncDispose]();
});

interface Listed {
  path: string;
  method: string;
  operation: any;
}

const operations = (): Listed[] =>
  Object.entries<object>(document.paths).flatMap(([path, methods]) =>
    Object.entries<any>(methods).map(([method, operation]) => ({ path, method, operation })),
  );

/** Every object anywhere in the document. */
function* objects(value: unknown): Generator<Record<string, any>> {
  if (typeof value !== 'object' || value === null) return;
  yield value as Record<string, any>;
  for (const item of Object.values(value)) yield* objects(item);
}

describe('the OpenAPI document', () => {
  test('is valid, says a validator that is not ours', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document));
    expect([valid, errors]).toEqual([true, undefined]);
    expect(validator.version).toBe('3.1');
    // It would tell, if something were wrong.
    const broken = { ...structuredClone(document), info: {} };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('lists the eight operations of the contract', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(operations().map(({ method, path }) => `${method.toUpperCase()} ${path}`)).toEqual([
      'POST /api/v1/batch/enqueue',
      'GET /api/v1/batch/jobs',
      'GET /api/v1/batch/jobs/{job_id}',
      'POST /api/v1/batch/jobs/{job_id}/cancel',
      'GET /api/v1/batch/jobs/{job_id}/result',
      'GET /api/v1/batch/stats',
      'POST /api/v1/batch/internal/flush',
      'POST /api/v1/batch/internal/poll',
    ]);
  });

  test('tells the truth: each operation is served, and no other method of its path', async () => {
    for (const { method, path } of operations()) {
      const target = path.replace('{job_id}', 'x');
      const there = await rest.send({ method: method.toUpperCase(), path: target });
      expect([path, there.status]).toEqual([
        path,
        401 + (method === 'post' && there.status === 422 ? 21 : 0),
      ]);
      const other = await rest.send({ method: 'DELETE', path: target });
      expect([other.status, other.headers['allow']]).toEqual([405, method.toUpperCase()]);
    }
  });

  test('refers only to schemas that it has, and has none without use', () => {
    const names = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    const used = new Set<string>(
      [...objects(document)].flatMap((each) => (each['$ref'] ? [each['$ref']] : [])),
    );
    expect(used).toEqual(new Set(names));
  });

  test('is well formed', () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('get_job_api_v1_batch_jobs__job_id__get');
    for (const { path, operation } of operations()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const parameters: any[] = operation.parameters ?? [];
      expect(parameters.filter((each) => each.in === 'path').map((each) => each.name)).toEqual(inPath);
      for (const { name, schema, required } of parameters) {
        expect([typeof name, typeof schema, typeof required]).toEqual(['string', 'object', 'boolean']);
      }
      expect(operation.security).toEqual([{ HTTPBearer: [] }]);
      expect(Object.keys(operation.responses)).toContain('200');
      for (const [status, response] of Object.entries<any>(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/);
        expect(typeof response.description).toBe('string');
        expect(response.content['application/json'].schema.$ref).toMatch(/^#/);
      }
    }
    for (const schema of objects(document.components.schemas)) {
      if (!Array.isArray(schema['required'])) continue;
      expect(Object.keys(schema['properties'])).toEqual(expect.arrayContaining(schema['required']));
    }
    expect(document.components.securitySchemes).toEqual({ HTTPBearer: { type: 'http', scheme: 'bearer' } });
  });

  test('gives the limits that the validator keeps', () => {
    const { EnqueueRequest, FlushRequest, PollRequest } = document.components.schemas;
    expect(EnqueueRequest.required).toEqual(['job_type', 'payload']);
    expect(EnqueueRequest.properties.priority).toMatchObject({ minimum: 0, maximum: 100, default: 50 });
    expect(FlushRequest.properties.max_jobs).toMatchObject({ minimum: 1, maximum: 10_000, default: 100 });
    expect(FlushRequest.required).toEqual([]);
    expect(PollRequest.required).toEqual(['batch_id']);
  });

  test('is to be had by GET and HEAD', async () => {
    const head = await rest.send({ method: 'HEAD', path: '/openapi.json' });
    expect([head.status, head.headers['content-type'], head.text]).toEqual([200, 'application/json', '']);
    const post = await rest.send({ method: 'POST', path: '/openapi.json' });
    expect([post.status, post.headers['allow']]).toEqual([405, 'GET, HEAD']);
  });
});

test('the page at /docs shows every operation and needs nothing from elsewhere', async () => {
  const { status, headers, text } = await rest.send({ path: '/docs' });
  expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  for (const { operation } of operations()) expect(text).toContain(`id="${operation.operationId}"`);
  expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
  const policy = String(headers['content-security-policy']);
  for (const tag of ['style', 'script']) {
    const source = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(text)![1]!;
    expect(policy).toContain(`'sha256-${createHash('sha256').update(source).digest('base64')}'`);
  }
});
