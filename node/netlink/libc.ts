import { closeSync, constants, openSync } from "node:fs";
import koffi from "koffi";
import { errnoName, NetlinkError } from "./error.ts";

/**
 * The few functions of libc that Node has no door to. All are called synchronously on the main thread: each takes
 * microseconds, and a namespace entered by setns(2) belongs to the thread that entered it.
 * Buffers are passed by address, so what the kernel writes is in them when the call returns.
 */
const libc = koffi.load("libc.so.6");

const sendFunction = libc.func("intptr_t send(int fd, uint8_t *data, size_t length, int flags)");

type LibcFunction = (...args: readonly (number | Buffer)[]) => number;

const functions = {
  socket: libc.func("int socket(int domain, int type, int protocol)") as LibcFunction,
  bind: libc.func("int bind(int fd, uint8_t *address, uint32_t length)") as LibcFunction,
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, uint8_t *value, uint32_t length)") as LibcFunction,
  send: sendFunction as LibcFunction,
  recv: libc.func("intptr_t recv(int fd, uint8_t *data, size_t length, int flags)") as LibcFunction,
  setns: libc.func("int setns(int fd, int type)") as LibcFunction,
  dup3: libc.func("int dup3(int fd, int asFd, int flags)") as LibcFunction,
  ioctl: libc.func("int ioctl(int fd, ulong request, uint8_t *data)") as LibcFunction,
} as const;

/** Calls a libc function and throws a {@link NetlinkError} with the errno's name when it gives -1. */
export function callLibc(
  operation: string,
  name: keyof typeof functions,
  ...args: readonly (number | Buffer)[]
): number {
  const result = functions[name](...args);
  if (result < 0) throw new NetlinkError(operation, errnoName(koffi.errno()));
  return result;
}

/**
 * send(2) on a thread of libuv's pool, for requests that the kernel takes long over.
 * The buffer must be left alone until the promise settles.
 */
export function sendInBackground(operation: string, descriptor: number, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    sendFunction.async(descriptor, data, data.length, 0, (error: unknown, result: number) => {
      if (error) reject(new NetlinkError(operation, "EIO", String(error)));
      else if (result < 0) reject(new NetlinkError(operation, errnoName(koffi.errno())));
      else resolve();
    });
  });
}

/** The address of a buffer's memory, for a structure that points to another. The caller keeps the buffer alive. */
export const addressOf = (buffer: Buffer): bigint => koffi.address(buffer);

/** open(2) for reading, with this room's error type. */
export function openDescriptor(operation: string, path: string): number {
  try {
    // A path that leads to a named pipe must not hold the process until somebody writes to it.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new NetlinkError(operation, systemCode(error), path);
  }
}

export const closeDescriptor = (descriptor: number): void => closeSync(descriptor);

/** The errno name of an error that `node:fs` threw. */
export function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
}
