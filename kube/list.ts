import type { ListOptions, ListPage, ListPageOptions } from "./client.ts";
import { isKubeError } from "./error.ts";

export const defaultPageSize = 500;

/**
 * Goes through all pages of a list. A continue token that expires on the way (410) starts the list over; when that
 * happens again, everything is asked for at once, so that an end is certain.
 * @param fetchPage gives one page
 * @param onPage takes each page; after `onRestart` the pages come from the beginning again
 * @returns the resourceVersion that the list stands for
 */
export async function forEachPage<T>(
  fetchPage: (page: ListPageOptions) => Promise<ListPage<T>>,
  options: ListOptions,
  onPage: (page: ListPage<T>) => void,
  onRestart: () => void,
): Promise<string> {
  const { pageSize = defaultPageSize, ...rest } = options;
  let limit = pageSize > 0 ? pageSize : undefined;
  let token: string | undefined;
  let restarts = 0;
  for (;;) {
    let page: ListPage<T>;
    try {
      page = await fetchPage({ ...rest, limit, continue: token });
    } catch (error) {
      if (token === undefined || !isKubeError(error, "GONE")) throw error;
      if (++restarts > 1) limit = undefined;
      token = undefined;
      onRestart();
      continue;
    }
    onPage(page);
    if (page.continue === undefined) return page.resourceVersion;
    token = page.continue;
  }
}

/** The whole of a list. */
export async function listAll<T>(
  fetchPage: (page: ListPageOptions) => Promise<ListPage<T>>,
  options: ListOptions,
): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }> {
  let items: T[] = [];
  const resourceVersion = await forEachPage(
    fetchPage,
    options,
    (page) => {
      for (const item of page.items) items.push(item);
    },
    () => {
      items = [];
    },
  );
  return { items, resourceVersion };
}
