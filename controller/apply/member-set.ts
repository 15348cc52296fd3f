/** Up to here a list is far smaller than a hash table, and as fast. */
const listLimit = 32;

/** The members of one set column of one row: most have few, some have thousands. */
export class MemberSet {
  readonly column: string;
  /** Of another column of the same row. */
  next: MemberSet | undefined;
  #members: string[] | Set<string> = [];

  constructor(column: string, next: MemberSet | undefined) {
    this.column = column;
    this.next = next;
  }

  has(member: string): boolean {
    return Array.isArray(this.#members) ? this.#members.includes(member) : this.#members.has(member);
  }

  add(member: string): void {
    if (!Array.isArray(this.#members)) this.#members.add(member);
    else if (this.#members.push(member) > listLimit) this.#members = new Set(this.#members);
  }

  /** @returns true when none is left */
  delete(member: string): boolean {
    if (!Array.isArray(this.#members)) {
      this.#members.delete(member);
      if (this.#members.size <= listLimit / 2) this.#members = [...this.#members];
      return false;
    }
    const position = this.#members.indexOf(member);
    if (position >= 0) this.#members.splice(position, 1);
    return this.#members.length === 0;
  }
}
