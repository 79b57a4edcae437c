import express, { type Express } from 'express';
import type { Core } from '../core/index.ts';
import { createGraphQL, GRAPHQL_PATH, type Yoga } from '../graphql/yoga.ts';
import { createRest, docsHandler, notFoundHandler } from '../rest/index.ts';
import { authenticate } from './auth.ts';
import { landingPage } from './landing.ts';

export interface AppOptions {
  core: Core;
  /** The emulator answers: every page says so. */
  simulated: boolean;
  /** Whether the process can do its work: its database answers. */
  ready: () => Promise<boolean>;
}

/** The HTTP application: health, the two faces, and a page that links to them. */
export function createApp({ core, simulated, ready }: AppOptions): { app: Express; yoga: Yoga } {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('case sensitive routing', true).set('strict routing', true);
  app.get('/', (_request, response) => void response.type('html').send(landingPage(simulated)));
  app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }));
  app.get('/readyz', async (_request, response) => {
    const up = await ready();
    response.status(up ? 200 : 503).json({ status: up ? 'ready' : 'not ready', simulated });
  });
  const yoga = createGraphQL({ core, graphiql: true, authenticate: (header) => authenticate(core, header) });
  // Express 5 hands over rejected promises itself; yoga answers everything under its path.
  app.use(GRAPHQL_PATH, (request, response) =>
    yoga.handle(request, response, { req: request, res: response }),
  );
  app.use(docsHandler);
  app.use('/api/v1/batch', createRest({ core, authenticate: (header) => authenticate(core, header) }));
  app.use(notFoundHandler);
  return { app, yoga };
}
