import * as pulumi from '@pulumi/pulumi';
import { parseSettings } from './settings/parse.ts';
import { checkPlaceholders } from './settings/placeholder.ts';
import type { Settings } from './settings/schema.ts';

const KEY = 'settings';

/**
 * The settings of the stack at hand. Throws `pulumi.RunError`, before any resource is registered, with every problem
 * in them.
 */
export function readSettings(): Settings {
  const config = new pulumi.Config();
  const { settings, problems } = parseSettings(config.getObject<unknown>(KEY) ?? {});
  const wrong = settings === undefined ? problems : checkPlaceholders(settings);
  const all = [...strayKeys(config.name), ...wrong];
  if (settings !== undefined && all.length === 0) return settings;
  const lines = all.map(({ path, message }) => `  ${path}: ${message}`);
  throw new pulumi.RunError(
    [
      `Pulumi.${pulumi.getStack()}.yaml has ${all.length} problem${all.length === 1 ? '' : 's'}, nothing was done:`,
      ...lines,
    ].join('\n'),
  );
}

/** Keys beside ours would be silently without effect: Pulumi does not report them. */
function strayKeys(project: string) {
  return Object.keys(pulumi.runtime.allConfig())
    .filter((key) => key.startsWith('aws:') || (key.startsWith(`${project}:`) && key !== `${project}:${KEY}`))
    .map((path) => ({ path, message: `has no effect; everything is said under ${project}:${KEY}` }));
}
