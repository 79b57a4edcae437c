import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type ExecutionArgs } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Actor, Core } from '../core/index.ts';
import { GRAPHQL_PATH, type Yoga } from '../graphql/yoga.ts';
import { authenticate } from './auth.ts';

/** The largest message that a client may send, in bytes. */
const MAX_MESSAGE = 512 * 1024;
/** What a closing server says, so that client libraries connect again elsewhere or later. */
const RESTARTING = 1012;

type Extra = { actor?: Actor | undefined };

/** Execution as yoga enveloped it for one operation. */
type Enveloped = ExecutionArgs & {
  rootValue: Pick<ReturnType<Yoga['getEnveloped']>, 'execute' | 'subscribe'>;
};

/**
 * Whether a request asks for our WebSocket. Any other upgrade is none of ours: a client that offers HTTP/2 with
 * `Upgrade: h2c` expects an ordinary answer.
 */
export function isSocketRequest({ url, headers }: IncomingMessage): boolean {
  return url?.split('?')[0] === GRAPHQL_PATH && headers.upgrade?.toLowerCase() === 'websocket';
}

/** Subscriptions (and queries) over graphql-transport-ws, at the path of the HTTP endpoint. */
export function serveWebSockets(server: Server, core: Core, yoga: Yoga): { close(): Promise<void> } {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, perMessageDeflate: false });
  const running = useServer<Record<string, unknown>, Extra>(
    {
      // The key comes with connection_init, since a browser cannot set headers here; other clients may send the header.
      onConnect: async ({ connectionParams, extra }) => {
        const params = connectionParams ?? {};
        const header =
          params['authorization'] ?? params['Authorization'] ?? extra.request.headers.authorization;
        extra.actor = typeof header === 'string' ? await authenticate(core, header) : undefined;
        return extra.actor !== undefined; // false closes with 4403
      },
      onSubscribe: async ({ extra }, _id, { query, variables, operationName }) => {
        const enveloped = yoga.getEnveloped({ core, actor: extra.actor });
        try {
          const document = enveloped.parse(query);
          const args: Enveloped = {
            schema: enveloped.schema as ExecutionArgs['schema'],
            document,
            operationName,
            variableValues: variables,
            contextValue: await enveloped.contextFactory(),
            rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe },
          };
          const errors = enveloped.validate(args.schema, document) as readonly GraphQLError[];
          return errors.length ? errors : args;
        } catch (error) {
          // Returned, not thrown: a thrown one would close the socket with every other operation on it.
          return [error instanceof GraphQLError ? error : new GraphQLError('The operation cannot be read.')];
        }
      },
      execute: (args) => (args as Enveloped).rootValue.execute(args),
      subscribe: (args) => (args as Enveloped).rootValue.subscribe(args),
    },
    sockets,
  );
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Without a listener, a client that resets its connection now would end the process.
    socket.on('error', () => socket.destroy());
    if (!isSocketRequest(request)) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
  };
  server.on('upgrade', upgrade);
  return {
    close: async () => {
      server.off('upgrade', upgrade);
      for (const client of sockets.clients) client.close(RESTARTING, 'The server is restarting.');
      await running.dispose();
    },
  };
}
