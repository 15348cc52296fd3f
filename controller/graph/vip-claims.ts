/**
 * Who claims which address and port. One whose cluster IP it is has it before those that name it as an external IP, or
 * anybody could draw other Services' traffic to himself; then the oldest has it, and of equally old ones the first by key.
 */
export interface VipClaims {
  /**
   * Replaces what a service claims; nothing once it is gone.
   * @param own how many of the claims, from the first on, are of its cluster IPs
   * @returns the others for which it may matter
   */
  set(service: string, createdAt: string, vips: readonly string[], own: number): readonly string[];
  /** Which of its claims another service has, and which one. */
  refused(service: string): ReadonlyMap<string, string>;
}

interface Claimant {
  readonly service: string;
  readonly createdAt: string;
  readonly vips: readonly string[];
  readonly own: number;
}

const none: ReadonlyMap<string, string> = new Map();

const isOwn = ({ vips, own }: Claimant, vip: string): boolean => own > 0 && vips.lastIndexOf(vip, own - 1) >= 0;

function isBefore(vip: string, one: Claimant, other: Claimant): boolean {
  const hasOwn = isOwn(one, vip);
  if (hasOwn !== isOwn(other, vip)) return hasOwn;
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
    set(service, createdAt, vips, own) {
      const touched = new Set<string>();
      const former = claimants.get(service);
      if (former !== undefined) for (const vip of former.vips) remove(vip, former, touched);
      if (vips.length === 0) claimants.delete(service);
      else {
        const claimant = { service, createdAt, vips, own };
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
        let first = claimant;
        for (const other of present) if (isBefore(vip, other, first)) first = other;
        if (first === claimant) continue;
        refused ??= new Map();
        refused.set(vip, first.service);
      }
      return refused ?? none;
    },
  };
}
