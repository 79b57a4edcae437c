import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataDirInUseError } from './errors.ts';
import { randomId } from './ids.ts';

/** Where a running emulator can be found; contents of `<data>/address.json`. */
export interface Address {
  pid: number;
  url: string;
  instanceId: string;
}

/** The files of one emulator. Without a given folder they stand in a temporary one that close() removes. */
export class DataDir {
  readonly path: string;
  readonly instanceId: string;
  /** Whether writes must reach the disk before they count. Pointless for a folder that close() removes. */
  readonly durable: boolean;
  readonly #lock: DatabaseSync;

  constructor(path?: string) {
    this.durable = path !== undefined;
    this.path = path ?? mkdtempSync(join(tmpdir(), 'batch-emulator-'));
    mkdirSync(this.file('batches'), { recursive: true });
    this.#lock = this.#takeLock();
    this.instanceId = this.#instance();
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Makes a new name in a folder survive a power cut; its contents are synced by whoever wrote them. */
  syncFolder(name = '.'): void {
    if (!this.durable || process.platform === 'win32') return;
    const fd = openSync(this.file(name), 'r');
    fsyncSync(fd);
    closeSync(fd);
  }

  announce(url: string): void {
    const address: Address = { pid: process.pid, url, instanceId: this.instanceId };
    this.#replace('address.json', JSON.stringify(address));
  }

  /** Gives the folder back: nobody finds an address, the next emulator finds no lock. */
  release(): void {
    rmSync(this.file('address.json'), { force: true });
    this.#lock.close();
    if (!this.durable) rmSync(this.path, { recursive: true, force: true });
  }

  /**
   * SQLite holds a lock of the operating system, which vanishes with its process however that ends.
   * A lock file naming a pid would have to be judged after a kill, and two starters could judge it at once.
   */
  #takeLock(): DatabaseSync {
    const lock = new DatabaseSync(this.file('lock.db'));
    try {
      lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
      return lock;
    } catch (cause) {
      lock.close();
      const address = readAddress(this.path);
      const where = address ? ` (pid ${address.pid}, ${address.url})` : '';
      throw new DataDirInUseError(`Another emulator uses the data directory ${this.path}${where}`, { cause });
    }
  }

  #instance(): string {
    const path = this.file('instance.json');
    if (existsSync(path)) return String(JSON.parse(readFileSync(path, 'utf8')).instanceId);
    const instanceId = randomId('emu');
    this.#replace('instance.json', JSON.stringify({ instanceId }));
    return instanceId;
  }

  /** Writes a small file so that readers see the old or the new contents, never half of them. */
  #replace(name: string, contents: string): void {
    const draft = this.file(`${name}.${process.pid}.tmp`);
    writeFileSync(draft, `${contents}\n`, { flush: this.durable });
    renameSync(draft, this.file(name));
    this.syncFolder();
  }
}

/** The address left in a data directory, if any. It may be stale: ask its /emulator/health. */
export function readAddress(dataDir: string): Address | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'address.json'), 'utf8')) as Address;
  } catch {
    return undefined;
  }
}
