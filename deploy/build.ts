import { buildBundle, daemons, recipes } from "./bundle.ts";
import { buildClientPackage } from "./client-package.ts";
import { buildPlugin } from "./plugin.ts";

export { buildBundle, recipes } from "./bundle.ts";
export { buildClientPackage } from "./client-package.ts";
export { buildPlugin } from "./plugin.ts";

/**
 * `npm run build`: the plugin's executable, the folders for the agent, the controller and the command line, and the OVSDB
 * client as a package, into `dist/`; prints where.
 * `npm run build -- plugin` makes the plugin alone; `npm run build -- linked FOLDER` puts the agent's and the controller's
 * folders below FOLDER, to run on this machine as long as the repository is there.
 */
if (import.meta.main) {
  const [what, folder] = process.argv.slice(2);
  console.info(await buildPlugin());
  if (what === "linked" && folder !== undefined) {
    const launchers = await Promise.all(daemons.map((recipe) => buildBundle(recipe, folder, "linked")));
    for (const launcher of launchers) console.info(launcher);
  } else if (what !== "plugin") {
    for (const recipe of recipes) console.info(await buildBundle(recipe));
    console.info(await buildClientPackage());
  }
}
