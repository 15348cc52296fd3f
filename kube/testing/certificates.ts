import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority, a server's certificate for 127.0.0.1 and clients' certificates, by openssl. */
export function makeCertificates<Name extends string>(
  ...clients: readonly Name[]
): { readonly ca: string; readonly server: Certificate; readonly clients: Readonly<Record<Name, Certificate>> } {
  const folder = mkdtempSync(join(tmpdir(), "kube-certificates-"));
  const openssl = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const issue = (name: string, extension: string): Certificate => {
    writeFileSync(join(folder, "extension"), extension);
    openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extension"];
    openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...signing);
    return {
      cert: readFileSync(join(folder, `${name}.crt`), "utf8"),
      key: readFileSync(join(folder, `${name}.key`), "utf8"),
    };
  };
  try {
    openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test-ca");
    const server = issue("server", "subjectAltName=IP:127.0.0.1");
    const issued = clients.map((name) => [name, issue(name, "extendedKeyUsage=clientAuth")] as const);
    return {
      ca: readFileSync(join(folder, "ca.crt"), "utf8"),
      server,
      clients: Object.fromEntries(issued) as Record<Name, Certificate>,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
