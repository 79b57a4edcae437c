import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { createGraphQLError, createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseExact, type Actor, type Core } from '../core/index.ts';
import type { GraphQLContext } from './context.ts';
import { maskError } from './errors.ts';
import { schema } from './schema.ts';

interface ServerContext {
  req: IncomingMessage;
  res: ServerResponse;
}

export type Yoga = YogaServerInstance<ServerContext, GraphQLContext>;

/** Where GraphQL is, over HTTP and WebSocket. */
export const GRAPHQL_PATH = '/graphql';

export interface YogaOptions {
  core: Core;
  /** Who sends a request, from its Authorization header. */
  authenticate: (header: string | undefined) => Promise<Actor | undefined>;
  graphiql: boolean;
}

const JSON_TYPE = /^application\/(json|[\w.-]+\+json)\b/;

/** GraphQL over HTTP: POST with JSON, GET for queries, server-sent events for subscriptions. */
export function createGraphQL({ core, authenticate, graphiql }: YogaOptions): Yoga {
  return createYoga<ServerContext, GraphQLContext>({
    schema,
    graphqlEndpoint: GRAPHQL_PATH,
    // A WebSocket's operations come with their caller, who was authenticated when it connected.
    context: async (initial) =>
      isContext(initial)
        ? initial
        : { core, actor: await authenticate(initial.request.headers.get('authorization') ?? undefined) },
    maskedErrors: { maskError: (error) => maskError(error, core.log) },
    graphiql: graphiql && {
      title: 'Offpeak',
      defaultQuery: GRAPHIQL_QUERY,
      headers: JSON.stringify({ Authorization: 'Bearer <key>' }),
    },
    // The default page loads its scripts from a CDN; this one carries them.
    renderGraphiQL,
    cors: false,
    multipart: false,
    batching: false,
    landingPage: false,
    logging: false,
    plugins: [
      {
        // JSON is the only body: the default also takes forms, which any web page can send from another origin. Read
        // by our own parser, since JSON.parse would change 1.0 and big integers in payloads.
        onRequestParse({ request, setRequestParser }) {
          if (request.method !== 'POST') return;
          setRequestParser(async () => {
            if (!JSON_TYPE.test(request.headers.get('content-type') ?? '')) {
              throw createGraphQLError('The body must be JSON, with Content-Type: application/json.', {
                extensions: { http: { status: 415 } },
              });
            }
            return parseBody(await request.text());
          });
        },
      },
    ],
  });
}

function isContext(context: object): context is GraphQLContext {
  return 'core' in context;
}

function parseBody(text: string): object {
  const bad = (message: string) => createGraphQLError(message, { extensions: { http: { status: 400 } } });
  let body: unknown;
  try {
    body = parseExact(text);
  } catch (error) {
    throw bad(`The body is not JSON: ${(error as Error).message}`);
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw bad('The body must be a JSON object with a "query".');
  return body;
}

const GRAPHIQL_QUERY = `# The key goes into the pane "Headers" below.

query Overview {
  stats {
    totalJobs
    pendingJobs
    processingJobs
    completedJobs
    costUsd
    savedUsd
    simulated
  }
  jobs(first: 10) {
    edges {
      node {
        id
        type
        status
        createdAt
        cost { actualUsd }
      }
    }
  }
}
`;
