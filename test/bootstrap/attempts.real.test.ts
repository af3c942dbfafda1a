import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { orderHash } from '../../controller/node/shell.ts';
import { Secret } from '../../controller/secret.ts';
import { aNodeWith, processesWith, rawStream, until } from './ground.ts';

const HARD = [
  '-n -e --help', "it's \"quoted\" $(touch hacked) `touch hacked` $HOME ${HOME} \\ \\n %s !!", '日本語 👍🏽 \u{10ffff}', '', '\ttabs\r\n\x01\x1b[31m\x7f', 'FLEET_FILTER', '1 stop x cancelled', "'''",
].join('\n');

describe.concurrent('an attempt on a node', () => {
  test.each<[string, string]>([
    ['with quotes, commands, Japanese and control characters', HARD],
    ['of 100 KB', `-${'日本$(x)\n'.repeat(8500)}`],
    ['with newlines at both ends', '\n\n x \n\n'],
    ['of nothing', ''],
  ])('gets a prompt %s byte for byte, as input and as file', async (_, prompt, context = {} as never) => {
    await promptArrives(context, prompt);
  });
});
