import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Layout, paths } from "./layout.ts";
import { run } from "./run.ts";

/** Files of one identity, as `ovsdb-server`, `ovn-controller` and Node's `tls` take them. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Who gets a certificate: the name of its files, its subject (CN is the Kubernetes user, O its group), its addresses. */
interface Subject {
  readonly file: string;
  readonly subject: string;
  readonly names: readonly string[];
}

function subjects(layout: Layout): Subject[] {
  const central = [
    "DNS:localhost",
    "IP:127.0.0.1",
    "IP:::1",
    ...[...layout.central.addresses, ...layout.apiServiceAddresses].map((address) => `IP:${address}`),
    ...["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"].map(
      (name) => `DNS:${name}`,
    ),
  ];
  return [
    { file: "central", subject: "/CN=central", names: central },
    { file: "admin", subject: "/O=system:masters/CN=lab-admin", names: ["DNS:lab-admin"] },
    { file: "controller", subject: "/O=system:masters/CN=ovenbird-controller", names: ["DNS:ovenbird-controller"] },
    ...layout.nodes.map((node) => ({
      file: node.name,
      subject: `/O=system:nodes/CN=system:node:${node.name}`,
      names: [`DNS:${node.name}`],
    })),
  ];
}

/** The files of the certificate called `file`, and of the authority that signed it. */
export function identity(layout: Layout, file: string): Identity {
  const folder = paths(layout.folder).pki;
  return { cert: join(folder, `${file}.crt`), key: join(folder, `${file}.key`), ca: join(folder, "ca.crt") };
}

/** Makes the lab's own certificate authority and what is missing of the certificates that it signs (EC P-256, ten years). */
export async function makeCertificates(layout: Layout): Promise<void> {
  const folder = paths(layout.folder).pki;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const authority = { cert: join(folder, "ca.crt"), key: join(folder, "ca.key") };
  if (!existsSync(authority.cert)) {
    await newKey(authority.key);
    await run(
      ["openssl", "req", "-x509", "-new", "-key", authority.key, "-out", authority.cert, "-days", "3650"].concat([
        ...["-subj", "/CN=ovenbird lab", "-addext", "basicConstraints=critical,CA:TRUE"],
        ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
      ]),
    );
  }
  await Promise.all(
    subjects(layout)
      .filter(({ file }) => !existsSync(join(folder, `${file}.crt`)))
      .map(async ({ file, subject, names }) => {
        const { cert, key } = identity(layout, file);
        const extensions = join(folder, `${file}.ext`);
        const request = join(folder, `${file}.csr`);
        await newKey(key);
        await writeFile(
          extensions,
          `subjectAltName=${names.join(",")}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n`,
        );
        await run(["openssl", "req", "-new", "-key", key, "-subj", subject, "-out", request]);
        await run(
          [
            "openssl",
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            authority.cert,
            "-CAkey",
            authority.key,
            "-out",
            cert,
          ].concat([
            ...["-days", "3650", "-extfile", extensions, "-set_serial", `0x${crypto.randomUUID().replaceAll("-", "")}`],
          ]),
        );
        await Promise.all([rm(extensions), rm(request)]);
      }),
  );
}

async function newKey(path: string): Promise<void> {
  await run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path]);
}
