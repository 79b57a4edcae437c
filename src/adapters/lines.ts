const NEWLINE = 0x0a;

/**
 * The lines of a UTF-8 stream, without their ends. Each byte is looked at once, however long a line is, and one line
 * at a time is in memory. The last line needs no newline; whether it is whole is for the reader to find out.
 */
export async function* splitLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pieces: Uint8Array[] = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      pieces.push(chunk.subarray(start, end));
      yield decode(pieces);
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length) yield decode(pieces);
}

function decode(pieces: readonly Uint8Array[]): string {
  const line = Buffer.concat(pieces).toString();
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
