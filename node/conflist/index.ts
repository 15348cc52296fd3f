/** What tells the container runtime about Ovenbird: the network configuration and the plugin's executable. */
export { conflist, conflistName, installPlugin, pluginName, writeConflist } from "./conflist.ts";
