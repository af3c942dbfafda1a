import { fileURLToPath } from 'node:url';

/** Built code lies one folder deeper, in dist/. */
const ROOT = new URL(import.meta.url.includes('/dist/controller/') ? '../../' : '../', import.meta.url);

/** Absolute path of a file of this package, such as `infra/prices.json`. */
export function packaged(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}
