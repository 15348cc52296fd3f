import { parseArgs } from "node:util";
import { createKubeClient, loadKubeConfig } from "@ovenbird/kube";
import { pino } from "pino";
import { startEndpointController } from "./controller.ts";

/** The lab's EndpointSlice controller as a process of its own. */
const { values } = parseArgs({ options: { kubeconfig: { type: "string" } } });
const logger = pino({ base: { component: "endpoints" } });
startEndpointController(createKubeClient(loadKubeConfig({ path: values.kubeconfig }), { logger }), logger);
