import type { Kind } from '../../agent/agent.ts';
import { toolOf } from '../../agent/tools/index.ts';
import type { Fleet } from '../../config/fleet.ts';
import { FleetError } from '../../errors.ts';
import { desire, type Size } from '../../fleet/desired.ts';
import type { Node } from '../../node/node.ts';
import { setupProgram } from '../../node/program.ts';
import { readSurvey, type Survey, surveyNode } from '../../node/survey.ts';
import type { Context } from '../../operations/operation.ts';
import type { Outcome } from '../../transport/outcome.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Door, GlobalOptions } from '../door.ts';
import { openContext, openTransports, readFleet, readOwner } from '../session.ts';
import { counted } from '../words.ts';
import { judgePlacement, judgeTwins } from './doctor/agents.ts';
import { bad, type Finding, good } from './doctor/finding.ts';
import { checkFleet, usedKinds } from './doctor/fleet.ts';
import { judgeNode, NODE_PROGRAMS, WISHED_PROGRAMS } from './doctor/node.ts';
import { checkIdentities, checkTunnel, judgeSilence, tunnelsOf } from './doctor/reach.ts';
import { checkTurn, openModel } from './doctor/turn.ts';

/** Whoever asks nodes what they are judges them the same way. */
export { judgeNode, NODE_PROGRAMS } from './doctor/node.ts';

export interface DoctorOptions extends GlobalOptions {
  agents?: string;
  kind?: string;
  json?: boolean;
  quick?: boolean;
}

/** `fleet doctor`: what is wrong, and what to do about each; exit 1 when something is. */
export async function doctor(door: Door, options: DoctorOptions): Promise<number> {
  const findings = await examine(door, options);
  const wrong = findings.filter(({ ok }) => !ok);
  if (options.json) door.out(`${JSON.stringify({ version: 1, findings })}\n`);
  else {
    for (const { check, ok, detail, fix } of findings)
      door.out(`${ok ? '✓' : '✗'} ${check}: ${detail}${fix ? `\n    → ${fix}` : ''}\n`);
    const sum = `${counted(findings.length, 'check')}, ${wrong.length} with something to mend`;
    door.say(wrong.length === 0 ? sum : `${sum}: ${wrong.map(({ check }) => check).join(', ')}`);
  }
  return wrong.length === 0 ? 0 : 1;
}

/** What cannot be read hides what rests on it, and nothing else. */
async function examine(door: Door, options: DoctorOptions): Promise<Finding[]> {
  const fleet = await readFleet(door, options, { agents: options.agents, kind: options.kind }).catch(failureOf);
  if (fleet instanceof FleetError) return [bad('fleet file', fleet.message, correcting(fleet))];
  const findings = [good('fleet file', fleet.file ?? 'none: this machine is the fleet')];
  const opened = await openContext(door, fleet).catch(failureOf);
  if (opened instanceof FleetError)
    findings.push(bad('ledger', opened.message, opened.hint ?? 'fleet start tells more.'));
  const nothing: Context = { fleet, now: door.clock.now(), ledger: null };
  const context = opened instanceof FleetError ? nothing : opened;
  try {
    findings.push(...(await checkFleet(door, context)));
    findings.push(...(await checkNodes(door, fleet, await readOwner(context), options.quick ?? false)));
    return findings;
  } finally {
    await context.ledger?.destroy();
  }
}

function failureOf(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  throw error;
}

function correcting({ hint }: FleetError): string {
  return `Correct what is named; \`fleet config check\` reads it again. ${hint ?? ''}`.trim();
}

interface Answer {
  node: Node;
  outcome: Outcome;
  survey: Survey | undefined;
  /** What is known of the way there beside the answer. */
  way: readonly Finding[];
  /** Wall time in ms. */
  asked: number;
  answered: number;
  tookMs: number;
}

/** Every node is asked once, all at the same time. */
async function checkNodes(door: Door, fleet: Fleet, owner: string | null, isQuick: boolean): Promise<Finding[]> {
  const tools = toolsOf(fleet);
  const setup = setupProgram().hash;
  const transports = openTransports(door, fleet);
  const model = isQuick || tools.length === 0 ? undefined : await openModel(door);
  try {
    const answers = await Promise.all(
      fleet.nodes.flatMap((node) => {
        const transport = transports.get(node.name);
        return transport ? [askNode(door, fleet, node, transport, tools, model?.port)] : [];
      }),
    );
    const surveys = answers.flatMap(({ node, survey }) => (survey ? [{ name: node.name, survey }] : []));
    const { placement } = desire(fleet, new Map(surveys.map(({ name, survey }) => [name, sizeOf(survey)])));
    const ofNode = ({ node, outcome, survey, way, asked, answered, tookMs }: Answer): Finding[] => {
      const { name } = node;
      if (!survey) return [judgeSilence(name, outcome), ...way];
      const agents = placement.counts.find((each) => each.name === name)?.count ?? 0;
      const index = fleet.nodes.indexOf(node);
      const path = index < fleet.written ? `nodes[${index}]` : null;
      const { file, kinds } = fleet;
      const entry = { isHere: node.via.kind === 'local', file, path, kinds, folder: folderOf(fleet, node) };
      const reach = good(`node ${name}: reach`, `answered within ${tookMs} ms`);
      return [reach, ...way, ...judgeNode(name, survey, { tools, agents, owner, asked, answered, setup }, entry)];
    };
    return [...answers.flatMap(ofNode), ...judgeTwins(surveys, fleet.file), ...judgePlacement(fleet, placement)];
  } finally {
    await Promise.all([...transports.values()].map((transport) => transport.close()));
    await model?.close();
  }
}

function toolsOf(fleet: Fleet): string[] {
  const programs = usedKinds(fleet).flatMap(({ tool, program }) => (tool === 'command' ? [] : [program ?? tool]));
  return [...new Set(programs)];
}

/** Where tasks work on a node when they do not say; null: in each agent's own folder. */
function folderOf({ tasks }: Fleet, { cwd }: Node): string | null {
  return tasks.cwd ?? cwd;
}

async function askNode(
  door: Door,
  fleet: Fleet,
  node: Node,
  transport: Transport,
  tools: readonly string[],
  model: number | undefined,
): Promise<Answer> {
  const [asked, began] = [door.clock.now(), door.clock.monotonic()];
  const wish = { tools, folder: folderOf(fleet, node) };
  const programs = [
    ...Object.keys(NODE_PROGRAMS),
    ...Object.keys(WISHED_PROGRAMS),
    ...(tools.length > 0 ? ['npm'] : []),
  ];
  const outcome = await transport.run(surveyNode(fleet.name, programs, wish), door.signal);
  const survey = outcome.is === 'exited' ? readSurvey(outcome.stdout, wish) : undefined;
  const tookMs = Math.round(door.clock.monotonic() - began);
  const answered = door.clock.now();
  const [tunnel] = node.via.kind === 'local' || !survey ? [] : tunnelsOf(usedKinds(fleet));
  const way = [
    ...(await checkIdentities(door, node)),
    ...(tunnel ? [await checkTunnel(node.name, transport, tunnel.target)] : []),
    ...(survey && model !== undefined ? await takeTurns(door, node, transport, survey, usedKinds(fleet), model) : []),
  ];
  return { node, outcome, survey, way, asked, answered, tookMs };
}

/** One for each tool that is there; what is not there is said already. */
async function takeTurns(
  door: Door,
  { name }: Node,
  transport: Transport,
  { tools }: Survey,
  kinds: readonly Kind[],
  port: number,
): Promise<Finding[]> {
  const talking = kinds.filter((kind) => {
    const sight = tools.find(({ program }) => program === (kind.program ?? kind.tool));
    return toolOf(kind).talks && sight?.path !== null && sight?.exit === 0;
  });
  const findings: Finding[] = [];
  for (const kind of talking) findings.push(await checkTurn(door, name, transport, kind, port));
  return findings;
}

function sizeOf({ vcpu, memoryKiB }: Survey): Size {
  return { vcpu, memoryGiB: memoryKiB === null ? null : memoryKiB / 2 ** 20 };
}
