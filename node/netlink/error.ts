import koffi from "koffi";

const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

/** The name of an errno value, such as `EEXIST`; `errno 123` for one that has no name here. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/**
 * The kernel (or libc) refused something.
 * `code` is the errno's name: `EEXIST` the link or address exists, `ENODEV` no such link, `EADDRNOTAVAIL` no such
 * address, `ESRCH` no such route, `ENOENT` no such namespace file, `EPERM` not root, … ; `ETIMEDOUT` no answer came.
 */
export class NetlinkError extends Error {
  readonly code: string;
  /** What was asked for, in words. */
  readonly operation: string;

  /** @param detail the kernel's own explanation (extended acknowledgement), where it gave one */
  constructor(operation: string, code: string, detail?: string) {
    super(detail === undefined ? `${operation}: ${code}` : `${operation}: ${code} (${detail})`);
    this.name = "NetlinkError";
    this.code = code;
    this.operation = operation;
  }
}

/** Whether an error says that what was to be removed (or looked up) does not exist. */
export function isGone(error: unknown): boolean {
  return error instanceof NetlinkError && ["ENODEV", "ESRCH", "EADDRNOTAVAIL", "ENOENT"].includes(error.code);
}
