/** The Kubernetes API as Ovenbird needs it: connect, read and write, reflect, report Events, elect a leader. */
export * from "./address-pool.ts";
export * from "./annotations.ts";
export { type Backoff, type BackoffBounds, createBackoff } from "./backoff.ts";
export type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  KubeClientOptions,
  ListOptions,
  ListPage,
  ListPageOptions,
  PatchOptions,
  RawRequest,
  RawResponse,
  Selection,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./client.ts";
export {
  adminNetworkPolicyDefinition,
  baselineAdminNetworkPolicyDefinition,
  clusterNetworkPolicyDefinition,
} from "./cluster-policies.ts";
export type { CredentialSource, Credentials, KubeConnection } from "./connection.ts";
export { type CustomResource, customResourceDefinition } from "./custom-resource-definition.ts";
export type { Discovery, ServedResource } from "./discovery.ts";
export * from "./domain-name.ts";
export * from "./egress-ip.ts";
export type { KubeErrorCode, KubeErrorOptions } from "./error.ts";
export { asKubeError, errorOfStatus, isKubeError, KubeError, kubeErrorCodes } from "./error.ts";
export type { EventNote, EventRecorder, EventRecorderOptions, EventSubject } from "./event-recorder.ts";
export { createEventRecorder } from "./event-recorder.ts";
export * from "./floating-ip.ts";
export { createKubeClient } from "./http-client.ts";
export * from "./ip-address.ts";
export * from "./ip-pool.ts";
export type { LoadKubeConfigOptions } from "./kubeconfig.ts";
export { loadKubeConfig } from "./kubeconfig.ts";
export type { LeaderElectionOptions, Leadership } from "./leader-election.ts";
export { electLeader } from "./leader-election.ts";
export type { Logger } from "./logger.ts";
export type { KubeObject, ObjectMeta, OwnerReference } from "./object.ts";
export { keyOf } from "./object.ts";
export type { JsonPatchOperation, PatchType } from "./patch.ts";
export { jsonPointer } from "./patch.ts";
export * from "./pod-request-annotations.ts";
export * from "./provider-network.ts";
export type { ReflectOptions, ReflectorEvent, ReflectorProblem } from "./reflector.ts";
export { reflect } from "./reflector.ts";
export type { ObjectTarget, Resource } from "./resource.ts";
export {
  adminNetworkPolicies,
  apiVersionOf,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  configMaps,
  customResourceDefinitions,
  endpointSlices,
  events,
  leases,
  namespaces,
  networkPolicies,
  nodes,
  pathOf,
  pods,
  secrets,
  serviceAccounts,
  services,
} from "./resource.ts";
export type { ResourceCondition } from "./resource-schemas.ts";
export * from "./subnet.ts";
export * from "./tenant.ts";
