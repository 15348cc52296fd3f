import { InvalidArgumentError, Option } from "commander";

/** Where the controller and the southbound database are; each flag has a variable. */
export interface EndpointFlags {
  readonly controller: readonly string[];
}

export interface DatabaseFlags {
  readonly sb?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export const defaultController = "http://127.0.0.1:9440";

/** Reads URLs, or `host:port`, by commas. @throws InvalidArgumentError */
function urls(text: string): readonly string[] {
  return text.split(",").map((part) => {
    const url = part.includes("://") ? part.trim() : `http://${part.trim()}`;
    if (!URL.canParse(url) || !/^https?:/.test(url))
      throw new InvalidArgumentError(`${part} is no URL and no host:port.`);
    return url;
  });
}

/** How to reach the controller. */
export function controllerOption(): Option {
  return new Option("--controller <urls>", "where the controllers serve their status, by commas")
    .env("OVENBIRD_CONTROLLER")
    .argParser(urls)
    .default([defaultController], defaultController);
}

/** How `ovn-trace` reaches the southbound database. */
export function databaseOptions(): readonly Option[] {
  return [
    new Option("--sb <endpoints>", "with --trace: OVN southbound (default: as ovn-trace has it, $OVN_SB_DB)").env(
      "OVENBIRD_SB",
    ),
    new Option("--ca <file>", "with --trace: authority of the database's certificate (PEM), for ssl:").env(
      "OVENBIRD_CA",
    ),
    new Option("--cert <file>", "with --trace: our certificate (PEM), for ssl:").env("OVENBIRD_CERT"),
    new Option("--key <file>", "with --trace: our private key (PEM), for ssl:").env("OVENBIRD_KEY"),
  ];
}
