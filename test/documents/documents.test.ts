import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../controller/config.ts";
import { auditCodes, controllerErrorCodes } from "../../controller/index.ts";
import { createMetrics as createControllerMetrics } from "../../controller/serve/metrics.ts";
import { addressPoolSpec, addressPoolStatus, kubeErrorCodes } from "../../kube/index.ts";
import { program } from "../../lab/commands/program.ts";
import { agentErrorCodes, cniErrorCodes } from "../../node/cni-server/errors.ts";
import { agentConfig } from "../../node/config.ts";
import { createMetrics as createAgentMetrics } from "../../node/serve/metrics.ts";
import { serveMetrics } from "../../node/serve/serve.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The first cells of all table rows below a heading, without code marks; up to the next heading of that rank. */
function firstCells(document: string, heading: string): string[] {
  const rank = heading.indexOf(" ");
  const lines = document.split("\n");
  const from = lines.indexOf(heading);
  expect(from, `${heading} is missing`).toBeGreaterThanOrEqual(0);
  const length = lines.slice(from + 1).findIndex((line) => new RegExp(`^#{1,${rank}} `).test(line));
  const section = lines.slice(from + 1, length < 0 ? undefined : from + 1 + length);
  return section.flatMap((line, index) => {
    const cell = /^\| ([^|]+) \|/.exec(line)?.[1]?.trim();
    const isHeading = /^\|---/.test(section[index + 1] ?? "");
    return cell === undefined || isHeading ? [] : [cell.replaceAll("`", "")];
  });
}

describe("docs/errors.md", () => {
  const document = read("docs/errors.md");

  it("has every code of the controller, and no other", () => {
    expect(firstCells(document, "## Controller").sort()).toEqual(Object.keys(controllerErrorCodes).sort());
  });

  it("has every code of the Kubernetes client, and no other", () => {
    expect(firstCells(document, "## Kubernetes API").sort()).toEqual(Object.keys(kubeErrorCodes).sort());
  });

  it("has every CNI code, and no other", () => {
    const codes = [...Object.values(cniErrorCodes), ...Object.values(agentErrorCodes)].map(String);
    expect(firstCells(document, "## CNI").sort()).toEqual([...new Set(codes)].sort());
  });
});

describe("docs/configuration.md", () => {
  const document = read("docs/configuration.md");

  it("has every option of the controller, and no other", () => {
    const help = parseArguments(["--help"], "0");
    const flags = help.kind === "answer" ? [...help.text.matchAll(/^ {2,}(?:-\w, )?(--[a-z-]+)/gm)] : [];
    const names = flags
      .map(([, flag = ""]) => flag)
      .filter((flag) => !["--help", "--version", "--config"].includes(flag));
    expect(firstCells(document, "## Controller").sort()).toEqual(names.sort());
  });

  it("has every option of the agent, and no other", () => {
    const flags = Object.keys(agentConfig.shape).map(
      (key) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    );
    expect(firstCells(document, "## Agent").sort()).toEqual(flags.sort());
  });
});

describe("docs/metrics.md", () => {
  const document = read("docs/metrics.md");
  const ours = (names: readonly { readonly name: string }[], isProcess: RegExp) =>
    names.map(({ name }) => name).filter((name) => name.startsWith("ovenbird_") && !isProcess.test(name));

  it("has every metric of the controller, and no other", () => {
    const { registry } = createControllerMetrics({
      engine: () => undefined,
      leading: () => false,
      northboundConnected: () => false,
      southboundConnected: () => false,
      pendingAnnouncements: () => 0,
      domainNames: () => 0,
    });
    const names = ours(registry.getMetricsAsArray(), /^ovenbird_controller_(process|nodejs)_/);
    expect(firstCells(document, "## Controller").sort()).toEqual(names.sort());
  });

  it("has every metric of the agent, and no other", async () => {
    const metrics = createAgentMetrics();
    const logger = pino({ level: "silent" });
    const server = await serveMetrics({ address: "127.0.0.1:0", metrics, conditions: [], logger });
    const names = ours(metrics.registry.getMetricsAsArray(), /^$/);
    await server.close();
    expect(firstCells(document, "## Agent").sort()).toEqual(names.sort());
  });
});

describe("docs/addresses.md", () => {
  it("has everything that an audit may find, and nothing else", () => {
    expect(firstCells(read("docs/addresses.md"), "## Audit").sort()).toEqual(Object.keys(auditCodes).sort());
  });
});

describe("docs/address-pools.md", () => {
  it("has every field of AddressPool, and no other", () => {
    const selector = addressPoolSpec.shape.nodeSelector.unwrap().shape;
    const fields = [
      ...Object.keys(addressPoolSpec.shape).map((name) => `spec.${name}`),
      ...Object.keys(selector).map((name) => `spec.nodeSelector.${name}`),
      ...Object.keys(addressPoolStatus.shape).map((name) => `status.${name}`),
    ];
    expect(firstCells(read("docs/address-pools.md"), "## Fields").sort()).toEqual(fields.sort());
  });
});

describe("docs/lab.md", () => {
  it("shows every command of the lab, and no other", () => {
    const names = program().commands.map((command) => command.name());
    const shown = [...read("docs/lab.md").matchAll(/npm run lab -- ([a-z]+)/g)].map(([, name = ""]) => name);
    expect([...new Set(shown)].sort()).toEqual(names.sort());
  });
});

describe("every document", () => {
  const documents = [
    ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
    ...["README.md", "DESIGN.md", "CONTRIBUTING.md", "ovsdb-client-ts/README.md"],
  ].filter((path) => path.endsWith(".md"));

  it.each(documents)("%s links only to what exists", (path) => {
    const links = [...read(path).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, link = ""]) => link);
    expect(links.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([]);
  });

  it.each(documents)("%s names only npm scripts that exist", (path) => {
    const scripts = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts);
    const named = [...read(path).matchAll(/npm (?:run ([a-z:]+)|(test))\b/g)].map(([, run, test]) => run ?? test ?? "");
    expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
  });
});
