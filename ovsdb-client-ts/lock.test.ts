import { expect, it } from "vitest";
import { createLockClaim } from "./lock.ts";
import { createSession } from "./session.ts";

it("a notification that spoke of an earlier claim on the name makes no holder", () => {
  const sent: number[] = [];
  const session = createSession({
    write: (text) => void sent.push((JSON.parse(text) as { id: number }).id),
    unsentBytes: () => 0,
    onNotification: () => claim.onLocked(),
    maxMessageBytes: 1 << 20,
    maxPendingRequests: 10,
  });
  const say = (message: object): void => session.receive(Buffer.from(JSON.stringify(message)));
  const claim = createLockClaim("ovenbird", false, () => {});
  claim.start(session);
  say({ id: null, method: "locked", params: ["ovenbird"] });
  say({ id: sent[0], result: { locked: false }, error: null });
  expect(claim.lock.held).toBe(false);
  say({ id: null, method: "locked", params: ["ovenbird"] });
  expect(claim.lock.held).toBe(true);
});
