import type { Kind } from '../agent.ts';
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { command } from './command.ts';
import type { Tool } from './tool.ts';

/** Every tool by its name. */
export const TOOLS: Readonly<Record<Kind['tool'], Tool>> = { codex, claude, command };

/** The tool that a kind is run with. */
export function toolOf(kind: Pick<Kind, 'tool'>): Tool {
  return TOOLS[kind.tool];
}
