/**
 * `npm run pulumi -- WORDS…`: the Pulumi CLI with the Node this project is pinned to. `preview` and `up` get the policy
 * pack; what they would do passes the gate first. `--comment FILE` writes that for a pull request, `--may-remove` agrees
 * to nodes of our own being deleted or replaced.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { type GateChoice, judgePreview, Preview } from '../infra/gate.ts';
import { parseSettings } from '../infra/settings/parse.ts';
import type { Settings } from '../infra/settings/schema.ts';

const ROOT = join(import.meta.dirname, '..');
const PACK = join(ROOT, 'infra/policy/run.ts');
const BYTES_MAX = 256 * 1024 * 1024;
const GATED = ['preview', 'pre', 'up', 'update'];
const REFUSED = 4;

const env = {
  ...process.env,
  PATH: [dirname(process.execPath), join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
};

interface Call {
  words: readonly string[];
  stack: string | undefined;
  comment: string | undefined;
  mayRemove: boolean;
}

function main(words: readonly string[]): number {
  const call = readCall(words);
  // Wherever it stands: options, and their values, may come before it.
  if (!call.words.some((word) => GATED.includes(word))) return pass(call.words);
  const judged = judge(call);
  if (call.comment !== undefined) writeFileSync(call.comment, commentOf(call, judged));
  for (const problem of judged.problems) process.stderr.write(`gate: ${problem}\n`);
  if (judged.problems.length > 0) return REFUSED;
  return pass([...call.words, '--policy-pack', PACK]);
}

function readCall(words: readonly string[]): Call {
  const call: Call = { words: [], stack: undefined, comment: undefined, mayRemove: false };
  const rest: string[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const next = words[index + 1];
    if (word === '--may-remove') call.mayRemove = true;
    else if (word === '--comment') [call.comment, index] = [next, index + 1];
    else rest.push(word);
    if (word === '--stack' || word === '-s') call.stack = next;
    if (word.startsWith('--stack=')) call.stack = word.slice('--stack='.length);
  }
  return { ...call, words: rest };
}

function pass(words: readonly string[]): number {
  const { status, error } = spawnSync('pulumi', words, { stdio: 'inherit', env });
  if (error)
    process.stderr.write(`pulumi cannot be begun: ${error.message}; https://www.pulumi.com/docs/install has it\n`);
  return status ?? 1;
}

interface Judged {
  problems: readonly string[];
  preview: Preview | undefined;
  monthlyUsd: number | null;
}

/** What the call would do, and what speaks against it. Nothing is changed by it. */
function judge({ words, stack: named, mayRemove }: Call): Judged {
  const place = placeOf(words);
  const stack = named ?? ask(['stack', '--show-name', ...place]).out.trim();
  const { settings, problems: wrong } = settingsOf(stack, place);
  if (settings === undefined) return { problems: wrong, preview: undefined, monthlyUsd: null };
  const monthlyUsd = monthlyUsdOf(stack, place);
  const flags = ['--json', '--show-sames', '--non-interactive', '--policy-pack', PACK];
  const { code, out, err } = ask(['preview', ...flags, '--stack', stack, ...place]);
  const preview = Preview.safeParse(jsonIn(out)).data;
  const said = code === 0 ? [] : [`preview ended with ${code}: ${(reasonsIn(out) || err.trim()).slice(-2000)}`];
  if (code === 0 && preview === undefined) said.push('preview printed nothing that can be judged');
  const choice: GateChoice = { mayRemove, monthlyUsd };
  return {
    problems: [...said, ...(preview === undefined ? [] : judgePreview(preview, settings, choice))],
    preview,
    monthlyUsd,
  };
}

function placeOf(words: readonly string[]): readonly string[] {
  const at = words.findIndex((word) => word === '--cwd' || word === '-C');
  return at < 0 ? [] : ['--cwd', words[at + 1] ?? '.'];
}

const folderOf = (place: readonly string[]) => place[1] ?? process.cwd();

function settingsOf(stack: string, place: readonly string[]): { settings?: Settings; problems: readonly string[] } {
  const file = join(folderOf(place), `Pulumi.${stack}.yaml`);
  if (!existsSync(file)) return { problems: [`${file}: there is none; \`--stack NAME\` names the stack`] };
  const { config } = (parse(readFileSync(file, 'utf8')) ?? {}) as { config?: Record<string, unknown> };
  const { settings, problems = [] } = parseSettings(config?.['miyabi-fleet:settings'] ?? {});
  const said = problems.map(({ path, message }) => `${file} ${path}: ${message}`);
  return settings === undefined ? { problems: said } : { settings, problems: said };
}

/** Null: not known. */
function monthlyUsdOf(stack: string, place: readonly string[]): number | null {
  const words = ['cost', 'plan', join(folderOf(place), `Pulumi.${stack}.yaml`), '--json'];
  const { status, stdout } = spawnSync(join(ROOT, 'bin/fleet'), words, { encoding: 'utf8' });
  return status === 0 ? (JSON.parse(stdout) as { always: number | null }).always : null;
}

function ask(words: readonly string[]): { code: number; out: string; err: string } {
  const { status, stdout, stderr, error } = spawnSync('pulumi', words, { encoding: 'utf8', env, maxBuffer: BYTES_MAX });
  return { code: status ?? 1, out: stdout ?? '', err: error?.message ?? stderr };
}

/** Undefined: it is no JSON. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** With --json the CLI says what went wrong in its diagnostics. */
function reasonsIn(out: string): string {
  const { diagnostics = [] } = (jsonIn(out) ?? {}) as { diagnostics?: { severity?: string; message?: string }[] };
  return diagnostics
    .filter(({ severity }) => severity === 'error')
    .map(({ message }) => message)
    .join('\n');
}

function commentOf({ stack }: Call, { problems, preview, monthlyUsd }: Judged): string {
  const changes = (preview?.steps ?? []).filter(({ op }) => op !== 'same' && op !== 'read');
  const listed = changes.map(
    ({ op, urn }) => `| ${op} | \`${urn.split('::').at(-1)}\` | ${urn.split('::').at(-2)?.split('$').at(-1)} |`,
  );
  const price = monthlyUsd === null ? 'unknown' : `$${monthlyUsd.toFixed(2)}`;
  return [
    `<!-- miyabi-fleet ${stack ?? ''} -->`,
    `### Stack \`${stack ?? ''}\`: ${problems.length === 0 ? `${changes.length} changes` : '**not to be merged**'}`,
    ...(problems.length === 0 ? [] : ['', ...problems.map((problem) => `- ❌ ${problem}`)]),
    ...(changes.length === 0
      ? ['', 'Nothing would change.']
      : ['', '| | resource | type |', '|---|---|---|', ...listed]),
    '',
    `On all the time it costs ${price} a month (720 hours), model tokens aside.`,
    '',
  ].join('\n');
}

process.exitCode = main(process.argv.slice(2));
