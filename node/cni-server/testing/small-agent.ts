import type { ReflectorEvent } from "@ovenbird/kube";
import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import { createClient } from "ovsdb-client-ts";
import { Subject } from "rxjs";
import { createPortBinding } from "../../binding/index.ts";
import { createPodLinks } from "../../links/index.ts";
import { createPodSource, type PodView, projectPod } from "../../pods/index.ts";
import { createCniServer } from "../index.ts";

/** The CNI part of an agent in a process of its own, for tests that kill it; told by its parent what to serve. */
interface Order {
  readonly socketPath: string;
  readonly endpoint: string;
  readonly namespace: string;
  readonly pod: { key: string; namespace: string; name: string; uid: string; network: string };
}

const logger = { debug() {}, info() {}, warn() {} };

process.once("message", async ({ socketPath, endpoint, namespace, pod }: Order) => {
  const client = createClient<OpenVswitch>({ endpoints: endpoint, database: "Open_vSwitch", leaderOnly: false });
  const replica = await client.replicate({
    Bridge: ["name", "ports"],
    Port: ["name", "interfaces"],
    Interface: ["name", "external_ids", "error", "ofport"],
  });
  const events = new Subject<ReflectorEvent<PodView>>();
  const pods = createPodSource(events);
  const { name, uid, network } = pod;
  events.next({
    kind: "upsert",
    key: pod.key,
    object: projectPod({
      metadata: { namespace: pod.namespace, name, uid, annotations: { "ovenbird.io/network": network } },
    }),
  });
  events.next({ kind: "synced" });
  await createCniServer({
    socketPath,
    binding: createPortBinding({ client, replica, logger }),
    pods,
    links: createPodLinks({ datapath: () => "netdev", namespace }),
    logger,
    ready: () => ({ kind: "ready" }),
  }).listen();
  process.send?.("listening");
});
