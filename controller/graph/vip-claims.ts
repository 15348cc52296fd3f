/** Who claims which address and port. Of several Services the oldest has it, and of equally old ones the first by key. */
export interface VipClaims {
  /**
   * Replaces what a service claims; nothing once it is gone.
   * @returns the others for which it may matter
   */
  set(service: string, createdAt: string, vips: readonly string[]): readonly string[];
  /** Which of its claims an older service has, and which one. */
  refused(service: string): ReadonlyMap<string, string>;
}

interface Claimant {
  readonly service: string;
  readonly createdAt: string;
  readonly vips: readonly string[];
}

const none: ReadonlyMap<string, string> = new Map();

function isBefore(one: Claimant, other: Claimant): boolean {
  return one.createdAt === other.createdAt ? one.service < other.service : one.createdAt < other.createdAt;
}

export function createVipClaims(): VipClaims {
  const claimants = new Map<string, Claimant>();
  /** Nearly every address and port has one claimant, which stands here by itself. */
  const byVip = new Map<string, Claimant | Set<Claimant>>();

  function add(vip: string, claimant: Claimant, touched: Set<string>): void {
    const present = byVip.get(vip);
    if (present === undefined) {
      byVip.set(vip, claimant);
      return;
    }
    const all = present instanceof Set ? present : new Set([present]);
    for (const { service } of all) touched.add(service);
    byVip.set(vip, all.add(claimant));
  }

  function remove(vip: string, claimant: Claimant, touched: Set<string>): void {
    const present = byVip.get(vip);
    if (!(present instanceof Set)) {
      byVip.delete(vip);
      return;
    }
    present.delete(claimant);
    for (const { service } of present) touched.add(service);
    const [last] = present;
    if (present.size === 1 && last !== undefined) byVip.set(vip, last);
  }

  return {
    set(service, createdAt, vips) {
      const touched = new Set<string>();
      const former = claimants.get(service);
      if (former !== undefined) for (const vip of former.vips) remove(vip, former, touched);
      if (vips.length === 0) claimants.delete(service);
      else {
        const claimant = { service, createdAt, vips };
        claimants.set(service, claimant);
        for (const vip of vips) add(vip, claimant, touched);
      }
      touched.delete(service);
      return [...touched];
    },
    refused(service) {
      const claimant = claimants.get(service);
      let refused: Map<string, string> | undefined;
      for (const vip of claimant?.vips ?? []) {
        const present = byVip.get(vip);
        if (claimant === undefined || !(present instanceof Set)) continue;
        let oldest = claimant;
        for (const other of present) if (isBefore(other, oldest)) oldest = other;
        if (oldest === claimant) continue;
        refused ??= new Map();
        refused.set(vip, oldest.service);
      }
      return refused ?? none;
    },
  };
}
