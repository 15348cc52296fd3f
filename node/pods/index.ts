export {
  createPodSource,
  isIncarnation,
  type NetworkedPod,
  type PodSource,
  type PodView,
  projectPod,
} from "./pod-source.ts";
export { reflectPodsOfNode } from "./reflect-pods.ts";
