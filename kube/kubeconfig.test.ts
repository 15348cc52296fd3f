import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadKubeConfig } from "./kubeconfig.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Entries {
  readonly cluster?: object;
  readonly user?: object;
  readonly context?: object;
}

function config({ cluster = {}, user = {}, context = {} }: Entries = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", ...context } }],
    "current-context": "x",
  });
}

describe("a kubeconfig file", () => {
  it("gives server, namespace, certificates in it and beside it", async () => {
    write("ca.crt", "CA");
    write("client.key", "KEY");
    const path = write(
      "config",
      `apiVersion: v1
kind: Config
clusters:
- name: c
  cluster: {server: "https://10.0.0.1:6443/", certificate-authority: ca.crt, tls-server-name: kubernetes}
users:
- name: u
  user: {client-certificate-data: ${base64("CERT")}, client-key: client.key, as: alice, as-groups: [a, b]}
contexts:
- name: x
  context: {cluster: c, user: u, namespace: shop}
current-context: x
`,
    );
    const { credentials, ...connection } = loadKubeConfig({ path });
    expect(connection).toEqual({
      server: "https://10.0.0.1:6443",
      namespace: "shop",
      context: "x",
      tls: { ca: "CA", serverName: "kubernetes", insecureSkipVerify: false },
      proxyUrl: undefined,
      headers: [
        ["impersonate-user", "alice"],
        ["impersonate-group", "a"],
        ["impersonate-group", "b"],
      ],
    });
    expect(await credentials.current()).toEqual({ certificate: "CERT", key: "KEY" });
  });

  it("gives a token, or a name and password", async () => {
    const token = loadKubeConfig({ path: write("token", config({ user: { token: "t0k3n" } })) });
    expect(await token.credentials.current()).toEqual({ authorization: "Bearer t0k3n" });
    const basic = loadKubeConfig({ path: write("basic", config({ user: { username: "a", password: "b" } })) });
    expect(await basic.credentials.current()).toEqual({ authorization: `Basic ${base64("a:b")}` });
  });

  it("may name a context that is not the current one", () => {
    const path = write("config", config());
    expect(() => loadKubeConfig({ path, context: "y" })).toThrow('no context "y"');
  });

  it("may hand the credentials to a plugin, which many requests at once ask once", async () => {
    const plugin = join(folder, "plugin.sh");
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "fromexec" },
    };
    writeFileSync(plugin, `#!/bin/sh\necho asked >> "${folder}/asked"\necho '${JSON.stringify(credential)}'\n`);
    chmodSync(plugin, 0o755);
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, args: [] };
    const { credentials } = loadKubeConfig({ path: write("config", config({ user: { exec } })) });
    const answers = await Promise.all([1, 2, 3].map(() => credentials.current()));
    expect(answers).toEqual(Array(3).fill({ authorization: "Bearer fromexec" }));
    credentials.invalidate();
    expect(await credentials.current()).toEqual({ authorization: "Bearer fromexec" });
    expect(readFileSync(join(folder, "asked"), "utf8")).toBe("asked\nasked\n");
  });

  it("says which plugin failed", async () => {
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: join(folder, "absent") };
    const { credentials } = loadKubeConfig({ path: write("config", config({ user: { exec } })) });
    await expect(credentials.current()).rejects.toMatchObject({ code: "CREDENTIALS_FAILED" });
  });

  it("may hold an OIDC token", async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const idToken = `${part({ alg: "none" })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600 })}.sign`;
    const provider = { name: "oidc", config: { "id-token": idToken, "client-id": "kube" } };
    const { credentials } = loadKubeConfig({ path: write("config", config({ user: { "auth-provider": provider } })) });
    expect(await credentials.current()).toEqual({ authorization: `Bearer ${idToken}` });
  });

  it.each([
    ["no YAML", "a: [", /kubeconfig .*config/],
    ["nothing", "", /no current-context/],
    ["no server", config({ cluster: { server: "" } }), /server/],
    ["another protocol", config({ cluster: { server: "ftp://x" } }), /server/],
    ["an unknown cluster", config({ context: { cluster: "d" } }), /no cluster "d"/],
    ["an unknown user", config({ context: { user: "v" } }), /no user "v"/],
    ["a CA that is not there", config({ cluster: { "certificate-authority": "absent.crt" } }), /absent\.crt/],
    ["a SOCKS proxy", config({ cluster: { "proxy-url": "socks5://x" } }), /only http and https proxies/],
  ])("with %s is INVALID_CONFIG, and the message says where", (_what, content, message) => {
    const path = write("config", content);
    expect(() => loadKubeConfig({ path })).toThrow(message);
    expect(() => loadKubeConfig({ path })).toThrow(expect.objectContaining({ code: "INVALID_CONFIG" }));
  });

  it("that does not exist is INVALID_CONFIG", () => {
    expect(() => loadKubeConfig({ path: join(folder, "absent") })).toThrow(/absent/);
  });
});

describe("without a path", () => {
  it("$KUBECONFIG names files, of which the first to say something is right", () => {
    const first = write(
      "first",
      JSON.stringify({ contexts: [{ name: "x", context: { cluster: "c", namespace: "one" } }] }),
    );
    const second = write("second", config({ context: { namespace: "two" } }));
    const environment = { KUBECONFIG: `${first}:${join(folder, "absent")}:${second}` };
    expect(loadKubeConfig({ environment })).toMatchObject({ namespace: "one", server: "https://10.0.0.1:6443" });
  });

  it("~/.kube/config is next", () => {
    mkdirSync(join(folder, ".kube"));
    write(".kube/config", config());
    expect(loadKubeConfig({ environment: { HOME: folder } }).context).toBe("x");
  });

  it("a pod's service account is last", async () => {
    const account = join(folder, "serviceaccount");
    mkdirSync(account);
    write("serviceaccount/token", "t0k3n\n");
    write("serviceaccount/ca.crt", "CA");
    write("serviceaccount/namespace", "kube-system");
    const environment = { HOME: folder, KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    const connection = loadKubeConfig({ environment, serviceAccountFolder: account });
    expect(connection).toMatchObject({ server: "https://[fd00::1]:443", namespace: "kube-system", tls: { ca: "CA" } });
    expect(await connection.credentials.current()).toEqual({ authorization: "Bearer t0k3n" });
  });

  it("nothing at all is INVALID_CONFIG, with what was looked for", () => {
    expect(() => loadKubeConfig({ environment: { HOME: folder } })).toThrow(/\.kube\/config does not exist/);
  });
});
