import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { nodeInit } from '../../infra/node-init.ts';
import { VIEW_FILTERS } from '../agent/tools/view.ts';
import { packaged } from '../package.ts';

/** The node program as it is put in place: the parts of bootstrap/node/ joined, with the tools' view filters. */
export interface NodeProgram {
  text: string;
  hash: string;
}

/** The program that sets machines up; its hash is the beginning of its SHA-256, as machines report it. */
export function setupProgram(): NodeProgram {
  const text = nodeInit(packaged('bootstrap'));
  return { text, hash: createHash('sha256').update(text).digest('hex').slice(0, 12) };
}

const PARTS = [
  ...[
    'ground',
    'processes',
    'limits',
    'worker',
    'sweep',
    'attempts',
    'scope',
    'connection',
    'pump',
    'report',
    'greeting',
    'serve',
  ],
  ...['view', 'remove'],
];

export async function loadProgram(): Promise<NodeProgram> {
  const read = (part: string) => readFile(packaged(`bootstrap/node/${part}.sh`), 'utf8');
  const parts = await Promise.all(PARTS.map(read));
  const text = [...parts, filterFunction(), await read('main')].join('\n');
  return { text, hash: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}

function filterFunction(): string {
  const cases = Object.entries(VIEW_FILTERS).map(
    ([tool, filter]) => `    ${tool}) cat <<'FLEET_FILTER'\n${filter}\nFLEET_FILTER\n      ;;`,
  );
  return `view_filter() {\n  case $1 in\n${cases.join('\n')}\n    *) return 1 ;;\n  esac\n}\n`;
}
