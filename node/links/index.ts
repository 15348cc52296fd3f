export {
  createPodLinks,
  hostDeviceName,
  type PodInterface,
  type PodInterfaceSettings,
  type PodInterfaceState,
  type PodLinks,
  type PodLinksOptions,
} from "./pod-links.ts";
export { infrastructurePrefixes, type PodRoute, podRoutes } from "./pod-routes.ts";
export { covers } from "./prefix.ts";
