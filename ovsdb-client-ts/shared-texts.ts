import type { Uuid } from "./operation.ts";

/**
 * One object for equal texts that come close to each other, and for identifiers of rows that are held: a row's identifier stands in
 * every set that refers to it, and one address in many sets.
 */
export interface SharedTexts {
  text(text: string): string;
  /** @param table that is referred to */
  reference(table: string | undefined, uuid: Uuid): Uuid;
  /** A message is done; if it was large, what it held is not remembered. */
  endMessage(): void;
}

/** What is remembered from message to message, in texts. */
const limit = 4_096;

/** @param held the identifier of a row that is held, as the one object that it is held under */
export function createSharedTexts(held: (table: string, uuid: Uuid) => Uuid | undefined): SharedTexts {
  const recent = new Map<string, string>();

  function text(wanted: string): string {
    const known = recent.get(wanted);
    if (known !== undefined) return known;
    recent.set(wanted, wanted);
    return wanted;
  }

  return {
    text,
    reference: (table, uuid) => (table === undefined ? undefined : held(table, uuid)) ?? text(uuid),
    endMessage() {
      if (recent.size > limit) recent.clear();
    },
  };
}
