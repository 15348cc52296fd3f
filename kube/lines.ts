import { KubeError } from "./error.ts";

const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a stream of bytes into lines. Lines are handed on whole, so that a character split between two chunks survives;
 * empty ones are passed over, and what has no end yet is held, up to a bound.
 * @param maxLineBytes the longest line that is held
 * @param onLine called synchronously; the bytes are only good during the call
 * @returns takes the next chunk; throws RESPONSE_TOO_LARGE for a line beyond the bound
 */
export function createLineSplitter(maxLineBytes: number, onLine: (line: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer[] = [];
  let heldBytes = 0;

  function emit(line: Buffer): void {
    const end = line.at(-1) === carriageReturn ? line.length - 1 : line.length;
    if (end > 0) onLine(end === line.length ? line : line.subarray(0, end));
  }

  return (chunk) => {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(newline, start);
      const part = chunk.subarray(start, end < 0 ? chunk.length : end);
      if (heldBytes + part.length > maxLineBytes) {
        throw new KubeError("RESPONSE_TOO_LARGE", `a line of more than ${maxLineBytes} bytes`);
      }
      if (end < 0) {
        held.push(part);
        heldBytes += part.length;
        return;
      }
      start = end + 1;
      if (heldBytes === 0) {
        emit(part);
      } else {
        held.push(part);
        const line = Buffer.concat(held, heldBytes + part.length);
        held = [];
        heldBytes = 0;
        emit(line);
      }
    }
  };
}
