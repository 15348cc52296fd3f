import type { Plugin } from "esbuild";

/**
 * Takes Node's own modules without `import`. An import makes Node read every export of a module, also those that it
 * loads on first use only: `import "node:http"` brings the WebSocket with all of fetch along, 14 MB of memory.
 */
export const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "builtin" }));
    build.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};
