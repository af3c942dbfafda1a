import { readFile, writeFile } from 'node:fs/promises';
import type { Door } from '../controller/cli/door.ts';
import { buildProgram } from '../controller/cli/program.ts';
import { cliMarkdown } from '../controller/cli/reference.ts';
import { annotatedExample } from '../controller/config/example.ts';
import {
  configurationMarkdown,
  errorsMarkdown,
  fleetJsonSchema,
  infrastructureMarkdown,
  taskJsonSchema,
} from '../controller/config/reference.ts';
import { outputSchemas } from '../controller/operations/index.ts';

/** The declarations alone: with no world behind them nothing can be called. */
function declaredProgram() {
  const nobody = { out: () => {}, say: () => {} } as unknown as Door;
  return buildProgram(nobody, '', () => {});
}

/** Every file made from schemas and declarations, by its path from the top of the project. */
export function generatedFiles(): Record<string, string> {
  return {
    'docs/cli.md': cliMarkdown(declaredProgram()),
    'docs/configuration.md': configurationMarkdown(),
    'docs/errors.md': errorsMarkdown(),
    'docs/infrastructure.md': infrastructureMarkdown(),
    'docs/fleet.schema.json': `${JSON.stringify(fleetJsonSchema(), null, 2)}\n`,
    'docs/task.schema.json': `${JSON.stringify(taskJsonSchema(), null, 2)}\n`,
    'docs/outputs.schema.json': `${JSON.stringify(outputSchemas(), null, 2)}\n`,
    'examples/fleet.yaml': annotatedExample(),
  };
}

/** Writes those that differ, and names them. */
async function generate(): Promise<void> {
  for (const [path, content] of Object.entries(generatedFiles())) {
    const place = new URL(`../${path}`, import.meta.url);
    const old = await readFile(place, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (old === content) continue;
    await writeFile(place, content);
    process.stdout.write(`${path}\n`);
  }
}

if (import.meta.main) await generate();
