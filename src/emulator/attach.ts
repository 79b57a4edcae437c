import type { IncomingMessage, ServerResponse } from 'node:http';

const BEAT_MS = 5_000;

/**
 * Holds the connections of those who use the emulator. An open connection is the one sign of life
 * that ends by itself when its process is killed, so an emulator can follow its users.
 */
export class Attachments {
  readonly #held = new Set<ServerResponse>();
  readonly #graceMs: number | undefined;
  readonly #onDetached: () => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Calls back when nobody has been attached for `graceMs`, counted from now on; never without it. */
  constructor(graceMs: number | undefined, onDetached: () => void) {
    this.#graceMs = graceMs;
    this.#onDetached = onDetached;
    this.#wait();
  }

  /** Keeps the response open, with a newline every five seconds, until either side closes it. */
  attach(req: IncomingMessage, res: ServerResponse): void {
    if (this.#closed) {
      res.writeHead(503, { 'content-type': 'text/plain' }).end('The emulator is closing.\n');
      return;
    }
    clearTimeout(this.#timer);
    this.#held.add(res);
    req.socket.setNoDelay(true);
    res.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
    res.write('\n');
    const beat = setInterval(() => res.write('\n'), BEAT_MS);
    res.once('close', () => {
      clearInterval(beat);
      this.#held.delete(res);
      this.#wait();
    });
  }

  /** Ends every attachment and takes no more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const res of this.#held) res.end();
  }

  #wait(): void {
    if (this.#closed || this.#graceMs === undefined || this.#held.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#closed = true;
      this.#onDetached();
    }, this.#graceMs);
  }
}
