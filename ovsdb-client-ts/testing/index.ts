export { makeCertificates, type TestCertificates } from "./certificates.ts";
export {
  type OvsdbCluster,
  type OvsdbServer,
  type OvsdbServerOptions,
  startOvsdbCluster,
  startOvsdbServer,
} from "./ovsdb-server.ts";
