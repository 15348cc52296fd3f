import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { type Document, parseAllDocuments } from "yaml";
import { CliError } from "./cli-error.ts";

/** Who asks for more wants a file. */
const maxBytes = 8 << 20;

/** A few aliases are fine; a document that grows without end by them isn't. @throws CliError FILE_UNREADABLE */
function plain(document: Document, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new CliError("FILE_UNREADABLE", `${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * All documents of a file of YAML or JSON, those that are empty left out.
 * @param path `-` for standard input
 * @throws CliError FILE_UNREADABLE
 */
export async function readObjects(
  path: string,
  input: NodeJS.ReadableStream = process.stdin,
): Promise<readonly unknown[]> {
  const name = path === "-" ? "standard input" : path;
  let content: string;
  try {
    content = path === "-" ? await text(input) : await readFile(path, "utf8");
  } catch (error) {
    throw new CliError("FILE_UNREADABLE", `${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (content.length > maxBytes) throw new CliError("FILE_UNREADABLE", `${name} has more than ${maxBytes} characters`);
  const documents = parseAllDocuments(content);
  const objects: unknown[] = [];
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) throw new CliError("FILE_UNREADABLE", `${name}: ${error.message}`);
    const value = plain(document, name);
    if (value === null || value === undefined) continue;
    if (typeof value !== "object" || Array.isArray(value)) {
      throw new CliError("FILE_UNREADABLE", `${name}: a document is no object`);
    }
    objects.push(value);
  }
  if (objects.length === 0) throw new CliError("FILE_UNREADABLE", `${name} holds no object`);
  return objects;
}
