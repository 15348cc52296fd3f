import { createBackoff } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { type FrameReader, isGone, NetlinkError } from "../netlink/index.ts";

/**
 * Frames of one pod that are looked at in a second: 2,000 questions and their answers. A pod that asks without end must
 * not take the agent's time from others.
 */
const mostFramesPerSecond = 4_000;
/** Until a device that could not be opened is tried again. */
const retryMs = { minMs: 1_000, maxMs: 60_000 } as const;

export interface DeviceReadersOptions {
  /** @returns undefined where the kernel has no such device. @throws {NetlinkError} it can't be asked */
  readonly indexOf: (device: string) => number | undefined;
  /** @throws {NetlinkError} */
  readonly open: (index: number, onFrame: (frame: Buffer) => void, onError: (error: Error) => void) => FrameReader;
  readonly onFrame: (device: string, frame: Buffer) => void;
  /** A device has more frames than are looked at in a second. */
  readonly onLimit: () => void;
  /** A device is not read any more. */
  readonly onClose: (device: string) => void;
  readonly logger: Logger;
}

/** Reads the frames of pods' devices, as many as there are. */
export interface DeviceReaders {
  /** These are the devices now. */
  read(devices: Iterable<string>): void;
  /** Opens all of them anew; what had come and was not looked at is lost. */
  reopen(): void;
  close(): void;
}

export function createDeviceReaders(options: DeviceReadersOptions): DeviceReaders {
  const { indexOf, open, onFrame, onLimit, onClose, logger } = options;
  let wanted: ReadonlySet<string> = new Set();
  const readers = new Map<string, FrameReader>();
  /** Devices that can't be opened, by why: told once. */
  const failing = new Map<string, string>();
  const backoff = createBackoff(retryMs);
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  function openMissing(): void {
    for (const device of wanted) if (!readers.has(device)) tryToOpen(device);
    if (failing.size === 0) {
      clearTimeout(retry);
      retry = undefined;
      backoff.reset();
    } else {
      retry ??= setTimeout(() => {
        retry = undefined;
        openMissing();
      }, backoff.next());
      retry.unref();
    }
  }

  /** Called from where nobody could handle that the kernel refuses. */
  function tryToOpen(device: string): void {
    try {
      const index = indexOf(device);
      // A port without a device of the kernel's (vhost-user), or one that is going.
      if (index !== undefined) readers.set(device, openAt(device, index));
      failing.delete(device);
    } catch (error) {
      if (isGone(error)) {
        failing.delete(device);
        return;
      }
      const code = error instanceof NetlinkError ? error.code : String(error);
      if (failing.get(device) !== code) {
        logger.warn({ err: error, device }, "what a pod is answered can't be seen, will try again");
      }
      failing.set(device, code);
    }
  }

  function openAt(device: string, index: number): FrameReader {
    let frames = 0;
    let beganMs = 0;
    const leave = () => {
      if (readers.get(device) !== reader) return;
      shut(device);
      if (!closed) openMissing();
    };
    const reader = open(
      index,
      (frame) => {
        const nowMs = performance.now();
        if (nowMs - beganMs >= 1_000) {
          beganMs = nowMs;
          frames = 0;
        }
        frames += 1;
        if (frames <= mostFramesPerSecond) {
          onFrame(device, frame);
          return;
        }
        // Closed, it costs nothing; until it is opened again it stands in the list.
        onLimit();
        reader.close();
        setTimeout(leave, beganMs + 1_000 - nowMs).unref();
      },
      (error) => {
        // Down, as long as it isn't configured; up again it goes on.
        if (isStill(device, index)) return;
        logger.debug({ device, error: error.message }, "a pod's device is gone");
        leave();
      },
    );
    return reader;
  }

  function isStill(device: string, index: number): boolean {
    try {
      return indexOf(device) === index;
    } catch (error) {
      logger.debug({ err: error, device }, "a pod's device could not be looked up");
      return false;
    }
  }

  function shut(device: string): void {
    readers.get(device)?.close();
    readers.delete(device);
    onClose(device);
  }

  return {
    read(devices) {
      wanted = new Set(devices);
      for (const device of readers.keys()) if (!wanted.has(device)) shut(device);
      for (const device of failing.keys()) if (!wanted.has(device)) failing.delete(device);
      openMissing();
    },
    reopen() {
      for (const device of readers.keys()) shut(device);
      openMissing();
    },
    close() {
      closed = true;
      clearTimeout(retry);
      for (const device of readers.keys()) shut(device);
    },
  };
}
