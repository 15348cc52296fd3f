import { resolve } from "node:path";
import { styleText } from "node:util";
import { Listr, type ListrTask } from "listr2";
import { type Lab, startLab } from "../lab.ts";
import type { Step, SupervisorEvent } from "../supervisor/protocol.ts";
import type { Family } from "../topology/layout.ts";
import { userFolder } from "./arguments.ts";
import { matrixText } from "./check.ts";

export interface UpFlags {
  readonly name: string;
  readonly nodes?: number;
  readonly kubeconfig?: string;
  readonly ipv4Only?: boolean;
  readonly ipv6Only?: boolean;
  readonly dual?: boolean;
  readonly demoPods: boolean;
  readonly zones?: readonly string[];
  readonly trunk?: boolean;
  readonly check: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
}

/** `lab up`: shows the way there, then the matrix, then what to try. @returns the exit status */
export async function up(flags: UpFlags): Promise<number> {
  const progress = createProgress(flags.json === true);
  const startedAt = performance.now();
  const families = familiesOf(flags);
  const interruption = interruptible();
  let lab: Lab;
  try {
    const { name, nodes, kubeconfig, demoPods, zones, trunk } = flags;
    lab = await startLab({
      ...(kubeconfig === undefined ? {} : { kubeconfig: resolve(userFolder(), kubeconfig) }),
      ...(nodes === undefined ? {} : { nodes }),
      ...(families === undefined ? {} : { families }),
      ...(zones === undefined ? {} : { zones }),
      ...(trunk === undefined ? {} : { trunk }),
      name,
      demoPods,
      keepFailed: flags.keep === true,
      signal: interruption.signal,
      onEvent: (event) => {
        interruption.look();
        progress.event(event);
      },
    });
  } catch (error) {
    await progress.end();
    if (interruption.signal.aborted) {
      process.stderr.write("\nlab: interrupted; nothing is left of it\n");
      return 130;
    }
    throw error;
  }
  await progress.end();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const matrix = flags.check && flags.demoPods ? await lab.check() : undefined;
  interruption.end();
  lab.detach();
  if (flags.json === true) {
    process.stdout.write(
      `${JSON.stringify({ name: lab.name, folder: lab.folder, kubeconfig: lab.kubeconfig, seconds: Number(seconds), matrix })}\n`,
    );
  } else {
    if (matrix !== undefined) process.stdout.write(`\n${matrixText(matrix)}`);
    process.stdout.write(nextSteps(lab, seconds));
  }
  return matrix === undefined || matrix.ok ? 0 : 1;
}

/** The families that were asked for; undefined when nothing was said of them. */
function familiesOf({ ipv4Only, ipv6Only, dual }: UpFlags): readonly Family[] | undefined {
  if (ipv4Only === true) return ["ipv4"];
  if (ipv6Only === true) return ["ipv6"];
  return dual === true ? ["ipv4", "ipv6"] : undefined;
}

/** Ctrl-C, a closed terminal, a plain kill and the end of our parent abort the way up, which takes everything back. */
function interruptible(): { readonly signal: AbortSignal; look(): void; end(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("interrupted"));
  const parent = process.ppid;
  process.stdout.once("error", abort);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, abort);
  return {
    signal: controller.signal,
    /** The kernel tells nobody of a parent's end, but shows it. */
    look() {
      if (process.ppid !== parent) abort();
    },
    end() {
      process.stdout.off("error", abort);
      for (const signal of signals) process.off(signal, abort);
    },
  };
}

interface Settled {
  readonly promise: Promise<string | undefined>;
  settle(outcome: { readonly detail: string | undefined } | { readonly error: Error }): void;
  /** What the step waits for now. */
  waiting(problem: string): void;
  /** Has that shown, from now on. */
  onWaiting(listener: (problem: string) => void): void;
}

function settled(): Settled {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  // Steps behind a failed one are never waited for.
  promise.catch(() => undefined);
  let last: string | undefined;
  let tell: (problem: string) => void = () => undefined;
  return {
    promise,
    settle: (outcome) => ("error" in outcome ? reject(outcome.error) : resolve(outcome.detail)),
    waiting(problem) {
      if (problem === last) return;
      last = problem;
      tell(problem);
    },
    onWaiting(listener) {
      tell = listener;
      if (last !== undefined) listener(last);
    },
  };
}

/** Shows the supervisor's steps as they go, in order. */
function createProgress(silent: boolean): { event(event: SupervisorEvent): void; end(): Promise<void> } {
  const steps = new Map<string, Settled>();
  let shown: Promise<unknown> = Promise.resolve();

  function show(list: readonly Step[]): void {
    for (const { key } of list) steps.set(key, settled());
    const tasks: ListrTask[] = list.map(({ key, title }) => ({
      title,
      task: async (_context, task) => {
        const step = steps.get(key);
        step?.onWaiting((problem) => {
          task.output = `waiting: ${problem}`;
        });
        const detail = await step?.promise;
        if (detail !== undefined) task.title = `${title} ${styleText("dim", `(${detail})`)}`;
      },
    }));
    // A failure is told once, by the command.
    shown = new Listr(tasks, {
      renderer: silent ? "silent" : "default",
      // Ctrl-C is ours to answer: the lab has to be taken back first.
      registerSignalListeners: false,
      fallbackRenderer: "simple",
    })
      .run()
      .catch(() => undefined);
  }

  return {
    event(event) {
      if (event.kind === "steps") show(event.steps);
      else if (event.kind === "step" && event.state === "done") steps.get(event.key)?.settle({ detail: event.detail });
      else if (event.kind === "step" && event.state === "running" && event.detail !== undefined)
        steps.get(event.key)?.waiting(event.detail);
      else if (event.kind === "step" && event.state === "failed")
        steps.get(event.key)?.settle({ error: new Error(event.detail) });
    },
    async end() {
      for (const step of steps.values()) step.settle({ error: new Error("not reached") });
      await shown;
    },
  };
}

function nextSteps({ name, kubeconfig, nodes }: Lab, seconds: string): string {
  const named = name === "default" ? "" : ` --name ${name}`;
  const tries = [
    [`export KUBECONFIG=${kubeconfig}`, "then kubectl get pods -o wide: the cluster from your shell"],
    [`npm run lab -- kubectl${named} run wren --image=probe --port=80`, "another pod: a probe server on its port"],
    [`npm run lab -- check${named}`, "the matrix again"],
    [`npm run lab -- probe${named} --from default/wren --to outside --port 8080`, "one probe"],
    [`npm run lab -- exec${named} default/wren -- ip address`, "look from inside a pod"],
    [`npm run lab -- exec${named} default/demo-1 -- getent hosts demo`, "a service, by the cluster's own names"],
    [
      `npm run lab -- probe${named} --from outside --to nodeport:node1:default/demo`,
      "its port of a node, from outside",
    ],
    [`npm run lab -- kubectl${named} apply -f lab/demo-policy.yaml`, "a policy: demo answers role=client alone"],
    [`npm run lab -- probe${named} --from default/wren --to default/demo-1 --port 8080`, "dropped, until you"],
    [`npm run lab -- ovenbird${named} why default/wren default/demo-1 --port 8080`, "who decides that"],
    [`npm run lab -- kubectl${named} label pod wren role=client`, "and allowed from then on"],
    [`npm run lab -- kubectl${named} apply -f lab/demo-tenants.yaml`, "two tenants, pods of the same addresses"],
    [
      `npm run lab -- probe${named} --from red/robin --to 10.10.0.12 --port 8080`,
      "red/finch; from blue/robin blue/finch",
    ],
    [`npm run lab -- exec${named} central -- ovn-nbctl show`, "the logical network"],
    [`npm run lab -- exec${named} ${nodes[0] ?? "node1"} -- ovs-vsctl show`, "a node's switch"],
    [`npm run lab -- down${named}`, "take it all away"],
  ] as const;
  const width = Math.max(...tries.map(([words]) => words.length)) + 2;
  const lines = tries.map(([words, why]) => `  ${words.padEnd(width)}${styleText("dim", why)}\n`);
  return `\nThe lab ${name} is up (${seconds} s). What to try next:\n${lines.join("")}`;
}
