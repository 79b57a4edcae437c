import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler } from 'express';
import { OperationError } from '../graphql/operation.ts';
import { hasScope, type Actor, type Core } from '../core/index.ts';
import { fault, notFound, refusal, send, unauthorized, unprocessable, type Answer } from './answers.ts';
import { AbortedError, declaredBytes, OPEN_BYTES, parseBody, readUpTo } from './body.ts';
import { answerFor, forbidden } from './errors.ts';
import { routes, type Route } from './routes.ts';
import { readBody, readFields, type Fields, type Values } from './validation/fields.ts';
import { Problems } from './validation/problems.ts';

export interface RestOptions {
  core: Core;
  /** Who sends a request, from its Authorization header. */
  authenticate: (header: string | undefined) => Promise<Actor | undefined>;
  /** The largest body that is read, in bytes; 10 MB, more than any model reads, unless said otherwise. */
  bodyLimit?: number;
}

const BODY_LIMIT = 10_000_000;

/** The legacy endpoints, to be mounted at their prefix: `app.use('/api/v1/batch', createRest(…))`. */
export function createRest({ core, authenticate, bodyLimit = BODY_LIMIT }: RestOptions): RequestHandler {
  const settings = { core, authenticate, bodyLimit };
  return async (request, response) => {
    try {
      send(response, await answer(settings, request));
    } catch (error) {
      if (error instanceof AbortedError) return;
      core.log.error({ err: error, path: request.path }, 'a REST request failed by a fault of the server');
      if (response.headersSent) response.destroy();
      else send(response, fault);
    } finally {
      // What is left of a body is read and dropped: closing the connection on it could lose the answer.
      request.resume();
    }
  };
}

/** The steps of a request, in the order that decides which of several mistakes is told. */
async function answer(settings: Required<RestOptions>, request: Request): Promise<Answer> {
  const target = readTarget(request);
  const found = match(target.path);
  if (!found) return slashRedirect(request, target) ?? notFound;
  const { route, jobId } = found;
  if (request.method !== route.method) return refusal(405, 'Method Not Allowed', { allow: route.method });

  const body = route.body ? await readRequestBody(settings, request) : {};
  if (body.answer) return body.answer;
  const actor = body.actor ?? (await identify(settings, request));
  if ('status' in actor) return actor;
  // Known before anything else of the request is looked at, as the legacy order wants it; core decides again.
  if (route.operator && !hasScope(actor, 'operator')) return forbidden;

  const problems = new Problems();
  const query = readQuery(route.query ?? {}, target.query, problems);
  const headers = readFields(route.headers ?? {}, ['header'], problems, (name) => request.headers[name]);
  const values = route.body ? readBody(route.body.fields, body.value, problems) : {};
  if (!query || !headers || !values) return unprocessable(problems.list);
  try {
    const url = (next: URLSearchParams): string => toReference(`${origin(request)}${target.full}?${next}`);
    return await route.handle({
      core: settings.core,
      actor,
      jobId,
      query,
      headers,
      body: values,
      sent: body.value,
      url,
    });
  } catch (error) {
    if (error instanceof OperationError) return answerFor(error);
    throw error;
  }
}

interface Target {
  /** Decoded, below the prefix. */
  path: string;
  /** Decoded, with the prefix. */
  full: string;
  /** As it came, without the question mark. */
  query: string;
}

/** From the URL as it came: Express has cut the prefix off `url`, and a request may name a whole URL. */
function readTarget(request: Request): Target {
  const [path = '', ...query] = request.originalUrl.replace(/^https?:\/\/[^/?]*/i, '').split('?');
  const full = decode(path);
  return { path: full.slice(request.baseUrl.length), full, query: query.join('?') };
}

/** Percent-decoding that never fails: what is not UTF-8 becomes U+FFFD, what is no escape stays. */
function decode(path: string): string {
  return path.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString(),
  );
}

const patterns = routes.map((route) => ({
  route,
  pattern: new RegExp(`^${route.path.replace('{job_id}', '(?<jobId>[^/]+)')}$`),
}));

function match(path: string): { route: Route; jobId: string } | undefined {
  for (const { route, pattern } of patterns) {
    const found = pattern.exec(path);
    if (found) return { route, jobId: found.groups?.['jobId'] ?? '' };
  }
  return undefined;
}

/** To the same path with or without its final slash, if that one exists; the method does not matter. */
function slashRedirect(request: Request, { path, full, query }: Target): Answer | undefined {
  const turn = (text: string): string => (text.endsWith('/') ? text.replace(/(?<!\/)\/+$/, '') : `${text}/`);
  if (!match(turn(path))) return undefined;
  const location = `${origin(request)}${turn(full)}${query && `?${query}`}`;
  return { status: 307, headers: { location: toReference(location) } };
}

/** A URL as a header may carry it. The name of the host comes from the client, with any character it likes. */
function toReference(url: string): string {
  return url.replace(/[^\w.~:/%#?=@[\]!$&'()*+,;-]/gu, (char) => encodeURIComponent(char.toWellFormed()));
}

function origin(request: Request): string {
  const host = request.headers.host;
  return host ? `${request.protocol}://${host}` : '';
}

/**
 * JSON is looked at before credentials, as it always was, but only in a body small enough to be read from anybody;
 * for a larger one the credentials decide first whether it is read at all.
 */
async function readRequestBody(
  settings: Required<RestOptions>,
  request: IncomingMessage,
): Promise<{ value?: unknown; answer?: Answer; actor?: Actor }> {
  const chunks: Buffer[] = [];
  const large =
    declaredBytes(request) > OPEN_BYTES || (await readUpTo(request, OPEN_BYTES, chunks)) === 'more';
  let actor: Actor | undefined;
  if (large) {
    const who = await identify(settings, request);
    if ('status' in who) return { answer: who };
    actor = who;
    if (declaredBytes(request) > settings.bodyLimit) return { answer: tooLarge };
    if ((await readUpTo(request, settings.bodyLimit, chunks)) === 'more') return { answer: tooLarge };
  }
  return { ...parseBody(Buffer.concat(chunks), request.headers['content-type']), ...(actor && { actor }) };
}

const tooLarge = refusal(413, 'Content Too Large');

/** The caller, or a 401. */
async function identify(settings: RestOptions, request: IncomingMessage): Promise<Actor | Answer> {
  const header = request.headers.authorization;
  const actor = await settings.authenticate(header);
  return actor ?? unauthorized(/^bearer +\S/i.test(header ?? '') ? 'Invalid token' : 'Not authenticated');
}

function readQuery<F extends Fields>(fields: F, query: string, problems: Problems): Values<F> | undefined {
  const parameters = new URLSearchParams(query);
  return readFields(fields, ['query'], problems, (name) => parameters.getAll(name).at(-1));
}
