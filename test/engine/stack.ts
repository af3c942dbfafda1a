import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { type Ended, run } from '../rig/command.ts';
import { program } from '../support/capability.ts';
import { ROOT } from '../support/sources.ts';
import type { Cloud } from './cloud.ts';

const RUN_MS_MAX = 120_000;

/** A call that reached the provider. */
export interface Call {
  call: 'create' | 'read' | 'update' | 'delete';
  type: string;
  name: string;
  id?: string;
}

/**
 * A copy of this project in a folder of its own, with the real Pulumi CLI, a state in files and the stand-ins found by
 * PATH: stack files may be written and programs edited there.
 */
export class Project implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'fleet-engine-'));
  readonly #cloud: Cloud;
  /** With which the CLI finds all it needs, whoever calls it. */
  readonly env: NodeJS.ProcessEnv;
  readonly #calls = join(this.folder, 'calls');

  constructor(cloud: Cloud, from?: Project) {
    this.#cloud = cloud;
    if (from === undefined) {
      for (const name of ['Pulumi.yaml', 'package.json', 'infra', 'bootstrap'])
        cpSync(join(ROOT, name), join(this.folder, name), { recursive: true });
      mkdirSync(join(this.folder, 'state'));
    } else
      cpSync(from.folder, this.folder, { recursive: true, filter: (path) => !/\/(node_modules|calls)$/.test(path) });
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'));
    const folders = [join(ROOT, 'test/engine/bin'), dirname(process.execPath), dirname(program('pulumi'))];
    this.env = {
      ...{ ...cloud.env, HOME: this.folder, PATH: [...folders, process.env.PATH].join(':') },
      ...{ PULUMI_HOME: join(this.folder, '.pulumi'), PULUMI_BACKEND_URL: `file://${join(this.folder, 'state')}` },
      ...{ PULUMI_CONFIG_PASSPHRASE: 'stand-in', PULUMI_SKIP_UPDATE_CHECK: 'true' },
      ...{ PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true', FLEET_ENGINE_CALLS: this.#calls },
    };
  }

  /** The same once more, its state too: what is done to one the other does not see. */
  copy(): Project {
    return new Project(this.#cloud, this);
  }

  /** Writes the stack's file and, the first time, makes the stack. */
  async set(stack: string, settings: object): Promise<void> {
    const file = join(this.folder, `Pulumi.${stack}.yaml`);
    const isNew = !existsSync(file);
    if (isNew) await this.must('stack', 'init', stack);
    const salt = isNew
      ? readFileSync(file, 'utf8')
      : (/^encryptionsalt:.*$/m.exec(readFileSync(file, 'utf8'))?.[0] ?? '');
    writeFileSync(file, `${salt.trim()}\n${stringify({ config: { 'miyabi-fleet:settings': settings } })}`);
  }

  pulumi(...words: readonly string[]): Promise<Ended> {
    const all = [program('pulumi'), '--non-interactive', '--cwd', this.folder, ...words];
    return run(all, { env: this.env, msMax: RUN_MS_MAX });
  }

  /** What it printed; throws with its own words where it did not end well. */
  async must(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.pulumi(...words);
    if (code !== 0)
      throw new Error(`pulumi ${words.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`.slice(-4_000));
    return stdout;
  }

  /** The calls since the last time this was asked. */
  calls(): readonly Call[] {
    const text = existsSync(this.#calls) ? readFileSync(this.#calls, 'utf8') : '';
    rmSync(this.#calls, { force: true });
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Call);
  }

  /** Rewrites a file of the program. Throws where the text to replace is not there: the test would prove nothing. */
  edit(path: string, from: string, to: string): void {
    const file = join(this.folder, path);
    const text = readFileSync(file, 'utf8');
    if (!text.includes(from)) throw new Error(`${path} does not hold ${from}`);
    writeFileSync(file, text.replace(from, to));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
