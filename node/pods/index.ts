export {
  createPodSource,
  isIncarnation,
  type NetworkedPod,
  PodRefused,
  type PodSource,
  type PodView,
  projectPod,
} from "./pod-source.ts";
export { reflectPodsOfNode } from "./reflect-pods.ts";
