import type { Kind } from '../../../controller/agent/agent.ts';
import type { Evidence, LaunchOrder } from '../../../controller/agent/tools/tool.ts';

export const CONVERSATION = '01a1fda6-63db-71b2-a74b-f7d41716566b';
export const ATTEMPT = '01a1fda6-63db-71b2-a74b-f7d417165601';

/** The end of a process that went well and said nothing, but for what the test says. */
export function evidence(said: Partial<Evidence> & { lines?: readonly unknown[] }): Evidence {
  const { lines = [], ...rest } = said;
  const out = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  return { exit: 0, signal: null, stop: null, lost: false, out: `${out}\n`, err: '', usage: '', ...rest };
}

export function order(kind: Partial<Kind> & Pick<Kind, 'tool'>, rest: Partial<LaunchOrder> = {}): LaunchOrder {
  return {
    kind: {
      name: kind.tool,
      model: null,
      sandbox: null,
      run: null,
      tunnel: false,
      args: [],
      env: {},
      secrets: {},
      endpoint: null,
      program: null,
      ...kind,
    },
    agentFolder: '/srv/agents/007',
    cwd: '/srv/work',
    promptFile: '/srv/attempts/1/prompt',
    run: null,
    resume: null,
    attempt: ATTEMPT,
    ...rest,
  };
}
