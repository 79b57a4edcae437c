import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer off the wire. */
export interface RawReply {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** A TCP connection to a server, for what no HTTP client would send. */
export interface RawConnection extends Disposable {
  socket: Socket;
  write(text: string | Buffer): void;
  /** The next answer; undefined when the server has closed the connection instead. `bodiless`: to a HEAD. */
  reply(options?: { bodiless?: boolean }): Promise<RawReply | undefined>;
  /** All that comes until the server closes the connection. */
  rest(): Promise<string>;
}

export async function connectTo(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // A server may cut a connection off while it is written to; the answer before it counts.
  socket.on('error', () => {});
  await once(socket, 'connect');
  let read = Buffer.alloc(0);
  let ended = false;
  let wake = (): void => {};
  socket.on('data', (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
    wake();
  });
  socket.on('close', () => {
    ended = true;
    wake();
  });
  return {
    socket,
    write: (text) => void socket.write(text),
    async reply({ bodiless = false } = {}) {
      for (;;) {
        const found = parseReply(read, bodiless);
        if (found) {
          read = read.subarray(found.bytes);
          return found.reply;
        }
        if (ended) return undefined;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    async rest() {
      while (!ended) await new Promise<void>((resolve) => (wake = resolve));
      return read.toString('latin1');
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** The answer at the beginning of what was read, once it is complete. */
function parseReply(read: Buffer, bodiless: boolean): { reply: RawReply; bytes: number } | undefined {
  const end = read.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [line = '', ...lines] = read.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(line.split(' ')[1]);
  const headers = new Map(
    lines.map((each): [string, string] => {
      const colon = each.indexOf(':');
      return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
    }),
  );
  const length = bodiless || status < 200 ? 0 : Number(headers.get('content-length') ?? 0);
  const bytes = end + 4 + length;
  if (read.length < bytes) return undefined;
  return { reply: { status, headers, body: read.subarray(end + 4, bytes).toString() }, bytes };
}
