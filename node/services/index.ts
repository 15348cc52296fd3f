/** The node's view of the cluster's Services, and of what it takes to reach them from outside. */
export { addressNumber, canonicalAddress, familyOfAddress } from "./addresses.ts";
export { createServiceView, type ServiceViewOptions } from "./create-service-view.ts";
export { hostServicesOf, nodeAddressesOf } from "./host-services.ts";
export { poolOf } from "./project-pool.ts";
export type {
  IpFamily,
  NodeService,
  NodeServicePort,
  PeerNode,
  PoolView,
  Protocol,
  ServiceView,
  ViewChange,
} from "./service-view.ts";
