import type { Kind } from "../resource.ts";
import { endpointSliceKind, endpointsKind } from "./endpoints.ts";
import { eventKind, newEventKind } from "./event.ts";
import { namespaceKind } from "./namespace.ts";
import { nodeKind } from "./node.ts";
import { plainKinds } from "./plain.ts";
import { podKind } from "./pod.ts";
import { serviceKind } from "./service.ts";
import { workloadKinds } from "./workloads.ts";

/** All built-in kinds, core ones first. */
export const builtinKinds: readonly Kind[] = [
  namespaceKind,
  nodeKind,
  podKind,
  serviceKind,
  endpointsKind,
  eventKind,
  ...plainKinds,
  endpointSliceKind,
  newEventKind,
  ...workloadKinds,
];
