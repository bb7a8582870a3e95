/** Owns: that a stream of bytes is UTF-8. What is not would be read as U+FFFD: two texts of another encoding may be one then. */

const NEWLINE = 0x0a;

/** The chunks as they are. `fail` makes the error of the first line (from 1) that is no UTF-8. */
export async function* utf8Chunks(source: AsyncIterable<Buffer>, fail: (line: number) => Error): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for await (const chunk of source) {
    try {
      decoder.decode(chunk, { stream: true });
    } catch {
      throw fail(line + linesBefore(chunk));
    }
    line += linesIn(chunk);
    yield chunk;
  }
  try {
    decoder.decode();
  } catch {
    throw fail(line);
  }
}

function linesIn(chunk: Buffer): number {
  let lines = 0;
  for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

/** Whole lines at the start of a chunk that are UTF-8; its first one may begin inside a character, and was good as far as it went. */
function linesBefore(chunk: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lines = 0;
  let start = 0;
  while (start < 4 && (chunk[start] & 0xc0) === 0x80) start += 1;
  for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) {
    try {
      decoder.decode(chunk.subarray(start, at));
    } catch {
      return lines;
    }
    start = at + 1;
    lines += 1;
  }
  return lines;
}
