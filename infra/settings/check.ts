import { nodeNames, type Settings } from './schema.ts';

/** What no single field can tell: settings that are each right and do not go together. */

export interface Problem {
  /** Where in the stack file, such as `groups[0].count`. */
  path: string;
  /** What is wrong and what to do, in one line. */
  message: string;
}

export function checkTogether(settings: Settings): readonly Problem[] {
  return [
    ...checkNames(settings),
    ...checkIds(settings),
    ...settings.groups.flatMap((group, index) => checkGroup(settings, group, `groups[${index}]`)),
    ...checkAlarms(settings),
  ];
}

/** Names of nodes as they will be, the groups' own included: the fleet tells its nodes apart by them. */
function checkNames({ adopted, groups }: Settings): readonly Problem[] {
  const named = [
    ...adopted.map(({ name }, index) => ({ name, path: `adopted[${index}].name` })),
    ...groups.flatMap((group, index) => nodeNames(group).map((name) => ({ name, path: `groups[${index}].name` }))),
  ];
  const groupNames = groups.map(({ name }, index) => ({ name, path: `groups[${index}].name` }));
  return [...twice(named, 'a node'), ...twice(groupNames, 'a group')].filter(isFirstAt);
}

function twice(named: readonly { name: string; path: string }[], what: string): readonly Problem[] {
  return named.flatMap(({ name, path }, index) => {
    const former = named.findIndex((other) => other.name.toLowerCase() === name.toLowerCase());
    const at = named[former]?.path;
    return former === index || at === undefined
      ? []
      : [{ path, message: `${at} already gives ${what} the name ${name}; choose another` }];
  });
}

/** One message for a place, not one for each of its nodes. */
function isFirstAt({ path }: Problem, index: number, all: readonly Problem[]): boolean {
  return all.findIndex((other) => other.path === path) === index;
}

function checkIds({ adopted }: Settings): readonly Problem[] {
  return adopted.flatMap(({ instanceId }, index) => {
    const former = adopted.findIndex((other) => other.instanceId === instanceId);
    return former === index
      ? []
      : [
          {
            path: `adopted[${index}].instanceId`,
            message: `adopted[${former}] is the same machine; remove one of the two`,
          },
        ];
  });
}

function checkGroup(settings: Settings, group: Settings['groups'][number], path: string): readonly Problem[] {
  const { region, amis, vpcId } = settings;
  const zones = group.subnets.flatMap(({ zone }, index) =>
    isZoneOf(region, zone)
      ? []
      : [{ path: `${path}.subnets[${index}].zone`, message: `no zone of ${region}; expected ${region}a or the like` }],
  );
  const problems = [
    group.market === 'spot' && new Set(group.subnets.map(({ zone }) => zone)).size < 2
      ? {
          path: `${path}.subnets`,
          message: 'Spot capacity comes and goes by zone; name subnets of at least two zones, or make it on-demand',
        }
      : undefined,
    amis[region] === undefined
      ? {
          path: 'amis',
          message: `no image for ${region}; ${findImage(group.instanceType)} prints the newest of Ubuntu`,
        }
      : undefined,
    vpcId !== undefined && group.subnets.length === 0
      ? { path: `${path}.subnets`, message: `nodes of ${vpcId} need to be told its subnets` }
      : undefined,
  ];
  return [...problems.filter((problem) => problem !== undefined), ...zones];
}

const isZoneOf = (region: string, zone: string) =>
  zone.startsWith(region) && /^[a-z]$|^-[a-z]{3}-\d[a-z]$/.test(zone.slice(region.length));

/** Graviton types have a g after their generation: c7g, m8gd, t4g. */
function findImage(instanceType: string): string {
  const architecture = /^[a-z]+\d+[a-z]*g[a-z]*\./.test(instanceType) ? 'arm64' : 'amd64';
  const parameter = `/aws/service/canonical/ubuntu/server/24.04/stable/current/${architecture}/hvm/ebs-gp3/ami-id`;
  return `\`aws ssm get-parameter --name ${parameter} --query Parameter.Value\``;
}

function checkAlarms({ runningHoursMax, budget }: Settings): readonly Problem[] {
  if (runningHoursMax === undefined || budget !== undefined) return [];
  return [{ path: 'runningHoursMax', message: 'nobody would hear of it; set budget.emails, or leave it out' }];
}
