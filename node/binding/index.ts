export { BindingError, type BindingErrorCode, bindingErrorCodes } from "./error.ts";
export type { BoundPort, PodPort } from "./pod-port.ts";
export { createPortBinding, type PortBinding, type PortBindingOptions } from "./port-binding.ts";
export { findLeftovers, type Leftover, removeLeftovers } from "./reconcile.ts";
