/**
 * undici by the module that is used. Its index brings fetch, WebSocket, caches and mocks along: 15 MB of memory in every
 * process of every node. The version is pinned exactly, and the client's tests go through this.
 */
declare module "undici/lib/dispatcher/pool.js" {
  import { Pool } from "undici";

  export = Pool;
}
