import { buildBundle, recipes } from "./bundle.ts";
import { buildPlugin } from "./plugin.ts";

export { buildBundle, recipes } from "./bundle.ts";
export { buildPlugin } from "./plugin.ts";

/** `npm run build`: the plugin's executable and the folders for the agent and the controller, into `dist/`. */
if (import.meta.main) {
  console.info(await buildPlugin());
  for (const recipe of recipes) console.info(await buildBundle(recipe));
}
