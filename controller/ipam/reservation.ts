/** What a pod holds in its node's block, by offset; a family that it has no address of is absent. */
export interface PodReservation {
  readonly uid: string;
  /** The number of the block (and of the node that holds it). */
  readonly block: number;
  readonly ipv4Offset: number | undefined;
  readonly ipv6Offset: number | undefined;
}
