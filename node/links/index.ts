export {
  createPodLinks,
  hostDeviceName,
  type PodInterface,
  type PodInterfaceSettings,
  type PodInterfaceState,
  type PodLinks,
  type PodLinksOptions,
} from "./pod-links.ts";
export { covers } from "./prefix.ts";
