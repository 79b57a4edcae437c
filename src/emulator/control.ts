import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Attachments } from './attach.ts';
import type { Emulator, Settings } from './emulator.ts';
import { parseJson } from './envelope.ts';
import { timestamp } from './clock.ts';
import { ApiError } from './errors.ts';
import { readFaults } from './faults.ts';
import { readBody } from './http.ts';
import { readOutcomeRules } from './outcomes.ts';
import { errorReply, sendReply } from './reply.ts';
import { isObject, type JsonObject } from './wire.ts';

interface Control {
  emulator: Emulator;
  attachments: Attachments;
  req: IncomingMessage;
  res: ServerResponse;
}

type Handler = (control: Control) => Promise<void> | void;

const MAX_BYTES = 10_000_000;

/** Routes that steer the emulator and read it out. They need no key and are not logged. */
const HANDLERS: Record<string, Handler> = {
  'GET /emulator/health': health,
  'GET /emulator/attach': ({ attachments, req, res }) => attachments.attach(req, res),
  'GET /emulator/requests': ({ emulator, res }) => sendList(res, emulator.log.lines()),
  'GET /emulator/accepted': ({ emulator, res }) => sendList(res, accepted(emulator)),
  'POST /emulator/clock': clock,
  'POST /emulator/settings': settings,
  'POST /emulator/outcomes': async ({ emulator, req, res }) => {
    emulator.rules.add(readOutcomeRules(await json(req)));
    done(res);
  },
  'DELETE /emulator/outcomes': ({ emulator, res }) => {
    emulator.rules.clear();
    done(res);
  },
  'POST /emulator/faults': async ({ emulator, req, res }) => {
    emulator.faults.add(readFaults(await json(req)));
    done(res);
  },
  'DELETE /emulator/faults': ({ emulator, res }) => {
    emulator.faults.clear();
    done(res);
  },
};

/** Answers one request below /emulator/. */
export async function serveControl(control: Control, path: string): Promise<void> {
  const handler = HANDLERS[`${control.req.method} ${path}`];
  try {
    if (!handler) throw new ApiError(404, `Not found: ${control.req.method} ${path}`);
    await handler(control);
  } catch (error) {
    const wrong = error instanceof TypeError || error instanceof SyntaxError;
    const reply = errorReply(wrong ? new ApiError(400, error.message) : error, '');
    if (control.res.headersSent) control.res.destroy();
    else sendReply(control.res, reply);
  }
}

function health({ emulator, res }: Control): void {
  const { dir, pace } = emulator;
  const now = timestamp(emulator.clock.now());
  sendReply(res, {
    status: 200,
    body: { instanceId: dir.instanceId, pid: process.pid, speed: pace.speed, now },
  });
}

async function clock({ emulator, req, res }: Control): Promise<void> {
  const body = await jsonObject(req);
  await emulator.advance(Number(body['advanceMs']));
  sendReply(res, { status: 200, body: { now: timestamp(emulator.clock.now()) } });
}

async function settings({ emulator, req, res }: Control): Promise<void> {
  const body = await jsonObject(req);
  await emulator.configure(body as Settings);
  const { pace, resultsDelayMs } = emulator;
  sendReply(res, { status: 200, body: { speed: pace.speed, resultsDelayMs } });
}

async function json(req: IncomingMessage): Promise<unknown> {
  return parseJson((await readBody(req, MAX_BYTES)).toString());
}

async function jsonObject(req: IncomingMessage): Promise<JsonObject> {
  const body = await json(req);
  if (!isObject(body)) throw new TypeError('Input should be an object');
  return body;
}

function done(res: ServerResponse): void {
  sendReply(res, { status: 200, body: {} });
}

function* accepted(emulator: Emulator): Generator<string> {
  for (const batch of emulator.batches.accepted()) yield JSON.stringify(batch);
}

/** Sends `{"data":[…]}` piece by piece, since custom_ids can be many. */
async function sendList(res: ServerResponse, items: Iterable<string> | AsyncIterable<string>): Promise<void> {
  res.writeHead(200, { 'content-type': 'application/json' });
  await pipeline(Readable.from(list(items)), res);
}

async function* list(items: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  let separator = '{"data":[';
  for await (const item of items) {
    yield separator + item;
    separator = ',\n';
  }
  yield separator.startsWith('{') ? '{"data":[]}' : ']}';
}
