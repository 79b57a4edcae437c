import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp, type AppOptions } from './app.ts';
import { isSocketRequest, serveWebSockets } from './websocket.ts';

/** How long requests under way may take to finish when the server stops, in milliseconds. */
const DRAIN = 3000;

export interface RunningServer {
  url: string;
  close(): Promise<void>;
}

/** Listens with both faces; resolves when it does. Fails with a clear error when the port is taken. */
export async function serve(options: AppOptions & { host: string; port: number }): Promise<RunningServer> {
  const { host, port, core } = options;
  const { app, yoga } = createApp(options);
  const server = createServer({ shouldUpgradeCallback: isSocketRequest }, app);
  const sockets = serveWebSockets(server, core, yoga);
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      await sockets.close();
      // After the sockets, whose clients shall come back: ending their subscriptions would tell them not to.
      core.hub.close();
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN);
      await closed;
      clearTimeout(cut);
      await yoga.dispose();
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        error.message = `Port ${port} of ${host} is taken. Set PORT to another one, or stop what listens there.`;
      }
      reject(error);
    });
    server.listen(port, host, resolve);
  });
}
