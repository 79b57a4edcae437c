/** A program that uses the embedded server, for tests to start, ask, and kill. Argument: the options as JSON. */
import { Client } from 'pg';

const { entry, options } = JSON.parse(process.argv[2] ?? '{}');
const { startEmbeddedPostgres } = await import(entry);

try {
  const server = await startEmbeddedPostgres({
    ...options,
    log: (line: string) => process.send?.({ log: line }),
  });
  const client = new Client(server.connection);
  client.on('error', () => {});
  await client.connect();
  await client.query(`SELECT pg_advisory_xact_lock(1); -- two at once would both find it missing
     CREATE TABLE IF NOT EXISTS kept (n bigint GENERATED ALWAYS AS IDENTITY, by int)`);
  process.on('message', (request: { write?: number; close?: true }) => {
    // Tests end the server below this program: then it has nothing more to say.
    answer(request).catch(() => process.disconnect());
  });

  const answer = async ({ write, close }: { write?: number; close?: true }): Promise<void> => {
    if (write !== undefined) {
      for (let row = 0; row < write; row++) {
        await client.query('INSERT INTO kept (by) VALUES ($1)', [process.pid]);
        process.send?.({ acknowledged: row + 1 });
      }
    }
    if (close === true) {
      await client.end();
      await server.close();
      process.send?.({ closed: true }, () => process.disconnect());
    }
  };
  process.send?.({ ready: { joined: server.joined, connection: server.connection } });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  process.send?.({ failed: { code, message } }, () => process.disconnect());
}
