import { parseArgs } from "node:util";
import { createKubeClient, endpointSlices, loadKubeConfig, reflect, services } from "@ovenbird/kube";
import { pino } from "pino";
import { readSlice } from "../endpoints/records.ts";
import { createForwarder } from "./forwarder.ts";
import { createNames, readNamedService } from "./names.ts";
import { serveNames } from "./server.ts";

/** The names of the cluster's services as a process of its own; for others it asks the server outside, if there is one. */
const { values } = parseArgs({
  options: { kubeconfig: { type: "string" }, listen: { type: "string", multiple: true }, upstream: { type: "string" } },
});
const logger = pino({ base: { component: "dns" } });
const client = createKubeClient(loadKubeConfig({ path: values.kubeconfig }), { logger });
const names = createNames();
const options = {
  onProblem: (problem: { readonly kind: string; readonly error: unknown }) =>
    logger.warn({ problem: problem.kind, err: problem.error }, "watching"),
  backoff: { minMs: 100, maxMs: 2000 },
} as const;
reflect(client, services, { project: readNamedService, ...options }).subscribe((event) => {
  if (event.kind !== "synced") names.service(event.key, event.kind === "upsert" ? event.object : undefined);
});
reflect(client, endpointSlices, { project: readSlice, ...options }).subscribe((event) => {
  if (event.kind !== "synced") names.slice(event.key, event.kind === "upsert" ? event.object : undefined);
});
const forward = values.upstream === undefined ? undefined : createForwarder(values.upstream, 53);
for (const address of values.listen ?? []) await serveNames(names, address, 53, forward);
logger.info({ listen: values.listen }, "names are served");
