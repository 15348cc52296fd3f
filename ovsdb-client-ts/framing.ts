import { OvsdbError } from "./errors.ts";
import { exactDigits, maxDepth, maxDigits, parseBytes } from "./json.ts";
import { createPieceParser, type PieceHandler, type PieceParser } from "./piece-parser.ts";

export interface FramerOptions {
  readonly maxMessageBytes: number;
  readonly onMessage: (message: unknown) => void;
  /** Sees the pieces of a large message as they come in; see piece-parser.ts. */
  readonly onPiece?: PieceHandler | undefined;
  /** From this size on a message is parsed piece by piece while it arrives (default 1 MiB). */
  readonly pieceThresholdBytes?: number;
}

/** Cuts a stream of bytes into JSON messages, which bear no delimiter. Knows no socket. */
export interface Framer {
  /**
   * Takes the next bytes and calls `onMessage` for every message that they complete. Keeps the buffer until then.
   * @throws OvsdbError MALFORMED_MESSAGE, MESSAGE_TOO_LARGE or NESTING_TOO_DEEP; the stream can't be followed any more
   */
  push(chunk: Buffer): void;
}

const quote = 0x22;
const backslash = 0x5c;

/** What a byte outside of strings means; 0 is anything else. */
const openBracket = 1;
const closeBracket = 2;
const digit = 3;
const string = 4;
const space = 5;
const byteClass = new Uint8Array(256);
for (const [text, value] of [
  ["{[", openBracket],
  ["}]", closeBracket],
  ["0123456789", digit],
  ['"', string],
  [" \n\r\t", space],
] as const) {
  for (const character of text) byteClass[character.charCodeAt(0)] = value;
}

export function createFramer(options: FramerOptions): Framer {
  const threshold = options.pieceThresholdBytes ?? 1 << 20;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let digits = 0;
  let longNumber = false;
  let parts: Buffer[] = [];
  let bytes = 0;
  let pieces: PieceParser | undefined;

  function keep(part: Buffer): void {
    bytes += part.length;
    if (bytes > options.maxMessageBytes) {
      throw new OvsdbError("MESSAGE_TOO_LARGE", `A message is larger than ${options.maxMessageBytes} bytes`);
    }
  }

  function complete(last: Buffer): void {
    keep(last);
    const message = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    const exact = longNumber;
    parts = [];
    bytes = 0;
    longNumber = false;
    options.onMessage(parseBytes(message, exact));
  }

  function startPieces(): void {
    const parser = createPieceParser(options.onPiece);
    // The message is not complete, so each part is taken whole.
    for (const part of parts) parser.push(part, 0);
    parts = [];
    pieces = parser;
    depth = 0;
    inString = escaped = longNumber = false;
    digits = 0;
  }

  /** Goes on with a large message from `offset`. Returns where the next one begins. */
  function pushPieces(parser: PieceParser, chunk: Buffer, offset: number): number {
    const end = parser.push(chunk, offset);
    keep(chunk.subarray(offset, end < 0 ? chunk.length : end));
    if (end < 0) return chunk.length;
    pieces = undefined;
    bytes = 0;
    options.onMessage(parser.message);
    return end;
  }

  /** Scans from `offset` to the end of a message or of the chunk. Returns where the next one begins. */
  function scan(chunk: Buffer, offset: number): number {
    const length = chunk.length;
    let index = offset;
    let start = offset;
    if (escaped) {
      escaped = false;
      index++;
    }
    while (index < length) {
      if (inString) {
        while (index < length) {
          const byte = chunk[index++];
          if (byte === quote) {
            inString = false;
            break;
          }
          if (byte === backslash) {
            if (index === length) escaped = true;
            index++;
          }
        }
        continue;
      }
      const kind = byteClass[chunk[index++] ?? 0];
      if (kind === digit) {
        if (++digits > exactDigits) {
          longNumber = true;
          if (digits > maxDigits) throw new OvsdbError("MALFORMED_MESSAGE", "A number has endless digits");
        }
        if (depth > 0) continue;
      } else digits = 0;
      if (kind === string && depth > 0) inString = true;
      else if (kind === openBracket) {
        if (depth === 0) {
          start = index - 1;
          if (chunk[start] !== 0x7b) throw new OvsdbError("MALFORMED_MESSAGE", "A message is not an object");
        }
        if (++depth > maxDepth) throw new OvsdbError("NESTING_TOO_DEEP", `A message nests deeper than ${maxDepth}`);
      } else if (kind === closeBracket && depth > 0) {
        if (--depth === 0) {
          complete(chunk.subarray(start, index));
          return index;
        }
      } else if (depth === 0) {
        if (kind !== space) throw new OvsdbError("MALFORMED_MESSAGE", "Garbage between messages");
        start = index;
      }
    }
    if (depth > 0) {
      const part = chunk.subarray(start);
      keep(part);
      parts.push(part);
      if (bytes >= threshold) startPieces();
    }
    return length;
  }

  return {
    push(chunk) {
      let offset = 0;
      while (offset < chunk.length) {
        offset = pieces === undefined ? scan(chunk, offset) : pushPieces(pieces, chunk, offset);
      }
    },
  };
}
