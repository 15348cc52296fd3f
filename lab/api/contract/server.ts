import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The server under test: our own as a process, or the one that KUBECONFIG names. */
export interface ServerUnderTest {
  readonly kubeconfig: string;
  /** False when the tests run against somebody else's server. */
  readonly embedded: boolean;
  /** Kills the process as `kill -9` does and starts it anew on the same port and state. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const main = join(import.meta.dirname, "..", "main.ts");

function openssl(folder: string, ...args: readonly string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
}

/** An authority, a server certificate for loopback and a client certificate, in PEM files. */
export function makeCertificates(folder: string): void {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(folder, "req", "-x509", ...curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=lab");
  writeFileSync(join(folder, "san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  for (const name of ["server", "client"]) {
    openssl(
      folder,
      "req",
      ...curve,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/O=system:masters/CN=${name}`,
    );
    const signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san"];
    openssl(folder, "x509", "-req", "-in", `${name}.csr`, ...signing, "-out", `${name}.crt`);
  }
}

/** Starts the process and waits for its "ready"; rejects with its log when it ends before. */
async function startProcess(
  folder: string,
  port: number,
  extra: readonly string[],
): Promise<{ child: ChildProcess; port: number }> {
  const tls = ["--cert", "server.crt", "--key", "server.key", "--client-ca", "ca.crt"];
  const child = spawn(
    process.execPath,
    [main, "--state", "state.db", "--listen", `127.0.0.1:${port}`, ...tls, ...extra],
    {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const log: string[] = [];
  const lines = createInterface({ input: child.stderr });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${log.join("\n")}`)));
    lines.on("line", (line) => {
      log.push(line);
      const bound = /"addresses":\["https:\/\/127\.0\.0\.1:(\d+)"/.exec(line);
      if (bound !== null) resolve({ child, port: Number(bound[1]) });
    });
  });
}

export async function startServerUnderTest(extra: readonly string[] = []): Promise<ServerUnderTest> {
  const given = process.env.OVENBIRD_CONTRACT_KUBECONFIG ?? process.env.KUBECONFIG;
  if (given !== undefined && given !== "") {
    const refuse = () => Promise.reject(new Error("only the embedded server can be restarted"));
    return { kubeconfig: given, embedded: false, restart: refuse, kill: refuse, stop: () => Promise.resolve() };
  }
  return startEmbeddedServer(extra);
}

export async function startEmbeddedServer(extra: readonly string[] = []): Promise<ServerUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), "ovenbird-api-"));
  makeCertificates(folder);
  let running = await startProcess(folder, 0, extra);
  const kubeconfig = join(folder, "kubeconfig");
  const base64 = (name: string) => readFileSync(join(folder, name)).toString("base64");
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "lab",
          cluster: { server: `https://127.0.0.1:${running.port}`, "certificate-authority-data": base64("ca.crt") },
        },
      ],
      users: [
        {
          name: "admin",
          user: { "client-certificate-data": base64("client.crt"), "client-key-data": base64("client.key") },
        },
      ],
      contexts: [{ name: "lab", context: { cluster: "lab", user: "admin" } }],
      "current-context": "lab",
    }),
  );
  const end = async (signal: NodeJS.Signals) => {
    const { child } = running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.removeAllListeners("exit");
    const again = once(child, "exit");
    child.kill(signal);
    await Promise.race([exited, again]);
  };
  return {
    kubeconfig,
    embedded: true,
    kill: () => end("SIGKILL"),
    async restart() {
      await end("SIGKILL");
      running = await startProcess(folder, running.port, extra);
    },
    async stop() {
      await end("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
