/** One thing that must hold before the node can take pods; `/readyz`, `/metrics` and STATUS tell of it. */
export interface Condition {
  readonly name: string;
  readonly holds: () => boolean;
}
