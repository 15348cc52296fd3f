import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TlsOptions } from "../options.ts";

const run = promisify(execFile);

/** An authority, a server's certificate for 127.0.0.1 and localhost, and a client's (the PEM texts are the client's). */
export interface TestCertificates extends TlsOptions {
  readonly files: {
    readonly ca: string;
    readonly serverCert: string;
    readonly serverKey: string;
    readonly clientCert: string;
    readonly clientKey: string;
  };
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes certificates with openssl in a folder that exists. */
export async function makeCertificates(folder: string): Promise<TestCertificates> {
  const path = (name: string): string => join(folder, name);
  const authority = ["-CA", path("ca.pem"), "-CAkey", path("ca-key.pem")];
  await run("openssl", [
    ...["req", "-x509", ...newKey, "-days", "30", "-subj", "/CN=Test authority"],
    ...["-keyout", path("ca-key.pem"), "-out", path("ca.pem")],
  ]);
  for (const name of ["server", "client"]) {
    await run("openssl", [
      ...["req", ...newKey, "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
      ...["-keyout", path(`${name}-key.pem`), "-out", path(`${name}.csr`)],
    ]);
    await run("openssl", [
      ...["x509", "-req", "-in", path(`${name}.csr`), ...authority, "-CAcreateserial", "-days", "30"],
      ...["-copy_extensions", "copy", "-out", path(`${name}.pem`)],
    ]);
  }
  const files = {
    ca: path("ca.pem"),
    serverCert: path("server.pem"),
    serverKey: path("server-key.pem"),
    clientCert: path("client.pem"),
    clientKey: path("client-key.pem"),
  };
  const [ca, cert, key] = await Promise.all([files.ca, files.clientCert, files.clientKey].map((f) => readFile(f)));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error("openssl wrote no certificate");
  return { ca, cert, key, files };
}
