import { buildBundle, recipes } from "./bundle.ts";
import { buildPlugin } from "./plugin.ts";

export { buildBundle, recipes } from "./bundle.ts";
export { buildPlugin } from "./plugin.ts";

/**
 * `npm run build`: the plugin's executable and the folders for the agent and the controller, into `dist/`; prints where.
 * `npm run build -- plugin` makes the plugin alone.
 */
if (import.meta.main) {
  console.info(await buildPlugin());
  if (process.argv[2] !== "plugin") for (const recipe of recipes) console.info(await buildBundle(recipe));
}
