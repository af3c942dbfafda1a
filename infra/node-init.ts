import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The program that sets a machine up: the pinned versions and the parts of bootstrap/setup/, as one text. */

const LAST = 'main.sh';

/** `bootstrap`: path of that folder. */
export function nodeInit(bootstrap: string): string {
  const folder = join(bootstrap, 'setup');
  const parts = readdirSync(folder).filter((name) => name.endsWith('.sh') && name !== LAST);
  const files = ['../versions.env', ...parts.sort(), LAST];
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8'));
  return ['#!/usr/bin/env bash', 'set -u', 'export LC_ALL=C', ...texts, 'main "$@"', ''].join('\n');
}
