/** What becomes of established connections when policies or the backends of Services change. */
export {
  createEstablishedConnections,
  type EstablishedConnections,
  type EstablishedConnectionsMetrics,
} from "./established-connections.ts";
