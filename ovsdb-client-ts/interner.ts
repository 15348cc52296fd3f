/** Gives equal strings one object, so that a value that thousands of rows repeat is held once. */
export type Intern = (text: string) => string;

/**
 * An interner of bounded size. It gives up for good when most of what it saw was new: such a column holds names or
 * identifiers, and remembering them would cost memory instead of saving it.
 */
export function createInterner(limit = 1024): Intern {
  const known = new Map<string, string>();
  let hits = 0;
  let useful = true;
  // Equal neighbours (a port's addresses and its port security) are found even when the interner has given up.
  let last = "";
  return (text) => {
    if (text === last) return last;
    if (!useful) {
      last = text;
      return text;
    }
    const found = known.get(text);
    if (found !== undefined) {
      hits++;
      return found;
    }
    if (known.size >= limit) {
      if (hits < 2 * limit) useful = false;
      known.clear();
      hits = 0;
    }
    if (useful) known.set(text, text);
    last = text;
    return text;
  };
}
