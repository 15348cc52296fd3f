/** What the laboratory, the command line and tests may take from the controller. */
import { applyErrorCodes } from "./apply/apply-error.ts";
import { configErrorCodes } from "./config-error.ts";
import { networkConfigProblemCodes } from "./ipam/network-config.ts";
import { poolProblemCodes } from "./pools/pool-problem.ts";
import { addressProblemCodes } from "./state/address-problem.ts";
import { objectProblemCodes } from "./state/object-problem.ts";
import { outletProblemCodes } from "./state/outlet-problem.ts";
import { policyProblemCodes } from "./state/policy-problem.ts";
import { serviceProblemCodes } from "./state/service-problem.ts";
import { tenancyProblemCodes } from "./state/tenancy-problem.ts";

/** Every code that the controller reports, in its log, its Events and its exit message, with what it means. */
export const controllerErrorCodes = {
  ...configErrorCodes,
  ...networkConfigProblemCodes,
  ...objectProblemCodes,
  ...poolProblemCodes,
  ...policyProblemCodes,
  ...serviceProblemCodes,
  ...tenancyProblemCodes,
  ...addressProblemCodes,
  ...outletProblemCodes,
  ...applyErrorCodes,
} as const;
export type ControllerErrorCode = keyof typeof controllerErrorCodes;

export { type AddressAudit, type AuditCode, type AuditFinding, auditCodes } from "./addresses/address-audit.ts";
export type { AddressHolding } from "./addresses/address-holdings.ts";
export type { ApplyProblem } from "./apply/applier-listener.ts";
export { managedTables, replicaSpec } from "./apply/managed-columns.ts";
export { ownerNameOf } from "./apply/owner.ts";
export { type ControllerConfig, environmentName, loadConfig, parseArguments } from "./config.ts";
export { ConfigError, type ConfigErrorCode } from "./config-error.ts";
export {
  backendsIn,
  createEngine,
  type Engine,
  type EngineListener,
  type EngineOptions,
  type EventSources,
} from "./engine.ts";
export type {
  AclAnswer,
  AclRuleOrigin,
  Microflow,
  NamedEnd,
  PlanAnswer,
  PlanChange,
  PlanGroup,
  PolicyReference,
  RuleReference,
  WhyAnswer,
  WhyDecision,
  WhyEnd,
  WhyPath,
} from "./explain/answer.ts";
export { type ExplainErrorCode, explainErrorCodes } from "./explain/explain-error.ts";
export { createGraph, type Graph } from "./graph/graph.ts";
export { createIpam, type Ipam } from "./ipam/ipam.ts";
export { type NetworkConfig, type NetworkConfigProblem, parseNetworkConfig } from "./ipam/network-config.ts";
export { type Controller, lockName, startController } from "./main.ts";
export type { AddressList } from "./serve/address-api.ts";
export type { ApiError, BatchAnswer } from "./serve/policy-api.ts";
export type { Readiness } from "./serve/server.ts";
export { type EndpointSliceRecord, projectEndpointSlice } from "./state/endpoint-slice.ts";
export { type NamespaceRecord, projectNamespace } from "./state/namespace.ts";
export { type NodeRecord, projectNode } from "./state/node.ts";
export type { ObjectProblem } from "./state/object-problem.ts";
export { type PodRecord, projectPod } from "./state/pod.ts";
export type { PolicyKind, PolicyRecord } from "./state/policy.ts";
export { policyKinds } from "./state/policy-kinds.ts";
export { projectService, type ServiceRecord } from "./state/service.ts";
export type { StateEvent } from "./state/state-event.ts";
export type { Bundle, BundleChange, DesiredRow, Membership, Owner } from "./translate/desired.ts";
export { ownerKey, ownerText, parseOwner } from "./translate/owner.ts";
