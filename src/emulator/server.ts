import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Attachments } from './attach.ts';
import { serveControl } from './control.ts';
import type { Emulator } from './emulator.ts';
import { serveProvider } from './http.ts';

/** The HTTP server around an emulator, and what has to be waited for before it is gone. */
export class EmulatorServer {
  readonly #emulator: Emulator;
  readonly #attachments: Attachments;
  readonly #server: Server;
  readonly #atWork = new Set<Promise<void>>();

  constructor(emulator: Emulator, exitWhenDetachedMs: number | undefined, onDetached: () => void) {
    this.#emulator = emulator;
    this.#attachments = new Attachments(exitWhenDetachedMs, onDetached);
    this.#server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => this.#take(req, res));
    this.#server.on('clientError', (_error, socket) => this.#refuse(socket));
  }

  async listen(port: number, host: string): Promise<string> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `http://${name}:${address.port}`;
  }

  async close(): Promise<void> {
    this.#attachments.close();
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await stopped;
    await Promise.all(this.#atWork);
    await this.#emulator.close();
  }

  /** Answers what is not HTTP. Node would do the same, but without the header every response carries. */
  #refuse(socket: Duplex): void {
    if (!socket.writable) return;
    const id = this.#emulator.dir.instanceId;
    socket.end(`HTTP/1.1 400 Bad Request\r\nx-offpeak-emulator: ${id}\r\nConnection: close\r\n\r\n`);
  }

  #take(req: IncomingMessage, res: ServerResponse): void {
    const done = this.#serve(req, res)
      .catch(() => {
        res.destroy();
      })
      .finally(() => {
        this.#atWork.delete(done);
      });
    this.#atWork.add(done);
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    res.setHeader('x-offpeak-emulator', this.#emulator.dir.instanceId);
    res.on('error', () => undefined);
    const url = new URL(req.url ?? '/', `http://${req.headers.host ?? 'localhost'}`);
    if (!url.pathname.startsWith('/emulator/')) return serveProvider(this.#emulator, req, res, url);
    const [emulator, attachments] = [this.#emulator, this.#attachments];
    return serveControl({ emulator, attachments, req, res }, url.pathname);
  }
}
