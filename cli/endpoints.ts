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

/** How OVN's tools reach the southbound database. */
export function databaseOptions(): readonly Option[] {
  return [
    new Option(
      "--sb <endpoints>",
      "OVN southbound, for --trace and flows (default: as ovn-trace has it, $OVN_SB_DB)",
    ).env("OVENBIRD_SB"),
    new Option("--ca <file>", "authority of the database's certificate (PEM), for ssl:").env("OVENBIRD_CA"),
    new Option("--cert <file>", "our certificate (PEM), for ssl:").env("OVENBIRD_CERT"),
    new Option("--key <file>", "our private key (PEM), for ssl:").env("OVENBIRD_KEY"),
  ];
}

/** The flags as OVN's own tools take them. */
export function databaseArguments({ sb, ca, cert, key }: DatabaseFlags): string[] {
  return [
    ...(sb === undefined ? [] : [`--db=${sb}`]),
    ...(ca === undefined ? [] : [`--ca-cert=${ca}`]),
    ...(cert === undefined ? [] : [`--certificate=${cert}`]),
    ...(key === undefined ? [] : [`--private-key=${key}`]),
  ];
}
