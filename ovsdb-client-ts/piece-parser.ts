import { OvsdbError } from "./errors.ts";
import { exactDigits, maxDepth, maxDigits, parseBytes } from "./json.ts";

/** One container on the way from the message to a piece. */
export interface PieceFrame {
  readonly container: Record<string, unknown> | unknown[];
  /** Where in the container the piece (or the next frame) belongs. */
  readonly key: string | number;
}

/**
 * Sees each piece before it takes its place in the message; what it returns is put there instead. `frames` is live:
 * the path from the message to the piece.
 */
export type PieceHandler = (piece: unknown, frames: readonly PieceFrame[]) => unknown;

/**
 * Parses one message while it arrives. Containers down to a row's update are built by hand, and what lies below
 * (a piece) is parsed by itself: so a message can be larger than a string can be, and a snapshot's rows are
 * decoded while the server is still sending the rest.
 */
export interface PieceParser {
  /** Returns where the message ends, or -1 when it wants more. @throws OvsdbError like the framer */
  push(chunk: Buffer, offset: number): number;
  /** The message, once it is complete. */
  readonly message: unknown;
}

/** message › params or result › table updates › table: a row's update lies below, whichever monitor method was used. */
const builtDepth = 4;
/** One row's update. */
const maxPieceBytes = 256 << 20;

interface Frame extends PieceFrame {
  key: string | number;
}

const wantValue = 0;
const wantKey = 1;
const wantColon = 2;
const wantSeparator = 3;

/** How the piece that is being read ends. */
const noPiece = 0;
const scalarPiece = 1;
const stringPiece = 2;
const containerPiece = 3;

function malformed(what: string): OvsdbError {
  return new OvsdbError("MALFORMED_MESSAGE", `The server sent something that is not JSON: ${what}`);
}

export function createPieceParser(onPiece: PieceHandler | undefined): PieceParser {
  const frames: Frame[] = [];
  let want = wantValue;
  /** A closing bracket may follow an opening one, but not a comma. */
  let mayClose = false;
  let message: unknown;
  let done = false;

  let piece = noPiece;
  let pieceDepth = 0;
  let inString = false;
  let escaped = false;
  let digits = 0;
  let longNumber = false;
  let parts: Buffer[] = [];
  let partBytes = 0;

  function begin(kind: number): void {
    piece = kind;
    pieceDepth = kind === containerPiece ? 1 : 0;
    inString = kind === stringPiece;
    longNumber = false;
    digits = 0;
  }

  function place(value: unknown): void {
    const frame = frames.at(-1);
    if (frame === undefined) {
      message = value;
      done = true;
    } else if (Array.isArray(frame.container)) frame.container.push(value);
    else if (frame.key === "__proto__") {
      // As JSON.parse does: a member like any other, not the prototype.
      Object.defineProperty(frame.container, frame.key, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    } else frame.container[frame.key] = value;
    want = wantSeparator;
  }

  function endPiece(last: Buffer): void {
    const value = parseBytes(parts.length === 0 ? last : Buffer.concat([...parts, last]), longNumber);
    if (parts.length > 0) parts = [];
    partBytes = 0;
    piece = noPiece;
    if (want === wantKey) {
      const frame = frames.at(-1);
      if (frame === undefined || typeof value !== "string") throw malformed("a member has no name");
      frame.key = value;
      want = wantColon;
      return;
    }
    const frame = frames.at(-1);
    if (frame !== undefined && Array.isArray(frame.container)) frame.key = frame.container.length;
    place(onPiece === undefined ? value : onPiece(value, frames));
  }

  function open(isArray: boolean): void {
    const parent = frames.at(-1);
    if (parent !== undefined && Array.isArray(parent.container)) parent.key = parent.container.length;
    frames.push({ container: isArray ? [] : {}, key: isArray ? 0 : "" });
    want = isArray ? wantValue : wantKey;
    mayClose = true;
  }

  function close(isArray: boolean): void {
    const frame = frames.pop();
    const allowed = want === wantSeparator || mayClose;
    if (frame === undefined || !allowed || Array.isArray(frame.container) !== isArray)
      throw malformed("a stray bracket");
    place(frame.container);
  }

  /** A byte outside of pieces. Returns true when a piece begins with it. */
  function structure(byte: number): boolean {
    switch (byte) {
      case 0x20:
      case 0x0a:
      case 0x0d:
      case 0x09:
        return false;
      case 0x7d:
      case 0x5d:
        close(byte === 0x5d);
        return false;
      case 0x2c: {
        if (want !== wantSeparator) throw malformed("a stray comma");
        want = Array.isArray(frames.at(-1)?.container) ? wantValue : wantKey;
        mayClose = false;
        return false;
      }
      case 0x3a:
        if (want !== wantColon) throw malformed("a stray colon");
        want = wantValue;
        mayClose = false;
        return false;
      case 0x22:
        if (want !== wantValue && want !== wantKey) throw malformed("a stray string");
        begin(stringPiece);
        return true;
      case 0x7b:
      case 0x5b:
        if (want !== wantValue) throw malformed("a stray bracket");
        if (frames.length < builtDepth) {
          open(byte === 0x5b);
          return false;
        }
        begin(containerPiece);
        return true;
      default:
        if (want !== wantValue) throw malformed("a stray character");
        begin(scalarPiece);
        digits = byte >= 0x30 && byte <= 0x39 ? 1 : 0;
        return true;
    }
  }

  /** Reads on in a piece. Returns the index behind it, or -1 when the chunk ends first. */
  function readPiece(chunk: Buffer, from: number): number {
    const length = chunk.length;
    let index = from;
    if (escaped && index < length) {
      escaped = false;
      index++;
    }
    while (index < length) {
      const byte = chunk[index++] ?? 0;
      if (inString) {
        if (byte === 0x22) {
          inString = false;
          if (pieceDepth === 0) return index;
        } else if (byte === 0x5c) {
          if (index === length) escaped = true;
          index++;
        }
        continue;
      }
      if (byte >= 0x30 && byte <= 0x39) {
        if (++digits > exactDigits) {
          longNumber = true;
          if (digits > maxDigits) throw new OvsdbError("MALFORMED_MESSAGE", "A number has endless digits");
        }
        continue;
      }
      digits = 0;
      if (piece === scalarPiece) {
        if (byte === 0x2c || byte === 0x5d || byte === 0x7d || byte <= 0x20) return index - 1;
      } else if (byte === 0x22) inString = true;
      else if (byte === 0x7b || byte === 0x5b) {
        if (++pieceDepth + builtDepth > maxDepth) {
          throw new OvsdbError("NESTING_TOO_DEEP", `A message nests deeper than ${maxDepth}`);
        }
      } else if ((byte === 0x7d || byte === 0x5d) && --pieceDepth === 0) return index;
    }
    return -1;
  }

  return {
    get message() {
      return message;
    },
    push(chunk, offset) {
      let index = offset;
      while (index < chunk.length) {
        const start = index;
        if (piece === noPiece && !structure(chunk[index++] ?? 0)) {
          if (done) return index;
          continue;
        }
        const end = readPiece(chunk, index);
        if (end < 0) {
          const part = chunk.subarray(start);
          partBytes += part.length;
          if (partBytes > maxPieceBytes) {
            throw new OvsdbError("MESSAGE_TOO_LARGE", `A part of a message is larger than ${maxPieceBytes} bytes`);
          }
          parts.push(part);
          return -1;
        }
        endPiece(chunk.subarray(start, end));
        index = end;
      }
      return -1;
    },
  };
}
