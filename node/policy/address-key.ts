import { addressBytes } from "../netlink/index.ts";

/** An address in a form that is the same however it is spelled: its octets in hexadecimal. */
export type AddressKey = string;

/** The same few addresses come again and again; more of them than that are not kept. */
const mostKnown = 2_000;
const known = new Map<string, { readonly bytes: Buffer; readonly key: AddressKey }>();

function lookUp(address: string): { readonly bytes: Buffer; readonly key: AddressKey } {
  const found = known.get(address);
  if (found !== undefined) return found;
  if (known.size >= mostKnown) known.clear();
  const bytes = addressBytes(address);
  const entry = { bytes, key: bytes.toString("hex") };
  // A copy: a piece of a longer text would hold all of that in memory.
  known.set(Buffer.from(address, "latin1").toString("latin1"), entry);
  return entry;
}

/** @throws Error for what is no address */
export const addressKey = (address: string): AddressKey => lookUp(address).key;

/** Not to be written to. @throws Error for what is no address */
export const addressOctets = (address: string): Buffer => lookUp(address).bytes;
