import { Command, Option } from "commander";
import { attached, connectLab, defaultName, folderOf, placeOf, runAttached, stopLab } from "../lab.ts";
import { otherLabOf } from "../supervisor/teardown.ts";
import { labName, wholeNumber } from "./arguments.ts";
import { check } from "./check.ts";
import { ovenbird } from "./ovenbird.ts";
import { probe } from "./probe.ts";
import { status } from "./status.ts";
import { type UpFlags, up } from "./up.ts";

/** What went wrong, in words, without a stack: the stack is of use to us only (`OVENBIRD_LAB_DEBUG=1`). */
function fail(error: unknown): void {
  const stack = process.env.OVENBIRD_LAB_DEBUG !== undefined && error instanceof Error ? error.stack : undefined;
  process.stderr.write(`lab: ${stack ?? (error instanceof Error ? error.message : String(error))}\n`);
  process.exitCode = 1;
}

function guarded<A extends unknown[]>(action: (...args: A) => Promise<unknown>): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      const exitStatus = await action(...args);
      if (typeof exitStatus === "number") process.exitCode = exitStatus;
    } catch (error) {
      fail(error);
    }
  };
}

interface Named {
  readonly name: string;
}

/** The command line of the lab. */
export function program(): Command {
  const lab = new Command("lab")
    .description(
      "A Kubernetes cluster with Ovenbird on this machine: nodes and pods are network namespaces, OVN and packets are real.",
    )
    .enablePositionalOptions();
  const command = (spec: string, description: string, isDefault = false) =>
    lab
      .command(spec, { isDefault })
      .description(description)
      .option("--name <name>", "which lab", labName, defaultName);

  command("up", "build the lab, or bring a running one back to what it should be (the default command)", true)
    .option("--nodes <n>", "number of nodes (default: 3)", wholeNumber(1, 50))
    .option("--kubeconfig <file>", "use this cluster's API instead of the embedded one")
    .addOption(new Option("--ipv4-only", "IPv4 alone").conflicts(["ipv6Only", "dual"]))
    .addOption(new Option("--ipv6-only", "IPv6 alone").conflicts(["ipv4Only", "dual"]))
    .addOption(new Option("--dual", "both families (the default)").conflicts(["ipv4Only", "ipv6Only"]))
    .option("--zones <zones>", "zones of the nodes, in turn, separated by commas", (text: string) => text.split(","))
    .option("--trunk", "two more links for each node, to a switch with VLANs and hosts on them")
    .option("--no-demo-pods", "without the demonstration pods")
    .option("--no-check", "without the connectivity matrix at the end")
    .option("--keep", "leave a lab that does not come up as it is, to look into")
    .option("--json", "print the result as JSON")
    .action(guarded((flags: UpFlags) => up(flags)));

  command("down", "take away everything that the lab made").action(
    guarded(async ({ name }: Named) => {
      const found = await stopLab(name);
      const other = otherLabOf(name, folderOf(name));
      const elsewhere = other === undefined ? "" : ` here; the one in ${other} is left alone`;
      process.stdout.write(found ? `The lab ${name} is gone.\n` : `There is no lab ${name}${elsewhere}.\n`);
    }),
  );

  command("status", "the lab's processes, nodes and pods").option("--json", "print JSON").action(guarded(status));

  command(
    "exec <target> <command...>",
    "run a command in the namespace of node1, central, outside, vlan100, underlay or namespace/pod",
  )
    .passThroughOptions()
    .action(
      guarded(async (target: string, words: readonly string[], { name }: Named) => {
        const { layout } = await connectLab({ name });
        return runAttached(await placeOf(layout, target), words);
      }),
    );

  command("kubectl [args...]", "kubectl with the lab's kubeconfig")
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(
      guarded(async (args: readonly string[], { name }: Named) => {
        const { kubeconfig } = await connectLab({ name });
        return attached("kubectl", ["--kubeconfig", kubeconfig, ...args], {});
      }),
    );

  command("ovenbird [args...]", "the ovenbird command with the lab's controller, databases and logs")
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(guarded(ovenbird));

  command("probe", "send probes between pods, nodes, services and the world outside")
    .addOption(
      new Option("--file <file>", "a JSON array of probes; - for standard input").conflicts([
        ...["from", "to", "port", "protocol", "expect"],
      ]),
    )
    .option("--from <from>", "namespace/pod, node:NAME, outside or, with --trunk, vlan100")
    .option(
      "--to <to>",
      "namespace/pod, node:NAME, outside, an address, service:, nodeport:, loadbalancer: or subnet: (see docs/lab.md)",
    )
    .option("--port <port>", "port", wholeNumber(1, 65_535))
    .addOption(new Option("--protocol <protocol>").choices(["tcp", "udp", "sctp", "icmp"]).default("tcp"))
    .addOption(new Option("--expect <verdict>").choices(["connected", "refused", "dropped", "error"]))
    .option("--json", "print the outcomes as a JSON array")
    .action(guarded(probe));

  command("check", "measure the all-pairs connectivity matrix; the exit status tells")
    .option("--json", "print JSON")
    .action(guarded(check));

  return lab;
}
