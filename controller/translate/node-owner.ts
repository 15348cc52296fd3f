import type { Owner } from "./desired.ts";

/** The owner of all rows of a node. */
export function nodeOwner(name: string): Owner {
  return { kind: "Node", key: name };
}
